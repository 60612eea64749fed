// voicevox-api-client (npm), whose package.json names a file that is not there
import assert from "node:assert";

const place = new URL("node_modules/voicevox-api-client/dist/esm/index.mjs", import.meta.url);
const { Client } = await import(place);
const client = new Client(process.argv[2]);
const query = await client.query.createQuery(1, "こんにちは、世界。");
for (const make of ["createVoice", "createVoiceMulti"]) {
  const wave = Buffer.from(await client.voice[make](1, make === "createVoice" ? query : [query]));
  assert.match(wave.subarray(0, 2).toString(), /RI|PK/);
}
assert.match(await client.other.getVersion(), /^"\d+\.\d+\.\d+"$/);
assert((await client.other.getSpeakers()).length > 0);
console.log("voicevox-api-client");
