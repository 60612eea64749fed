// voicevox-client (npm)
import module from "voicevox-client";
import assert from "node:assert";

const Client = module.default ?? module;
const client = new Client(process.argv[2]);
const query = await client.createAudioQuery("こんにちは、世界。", 1);
const wave = Buffer.from(await query.synthesis(1));
assert.equal(wave.subarray(0, 4).toString(), "RIFF");
assert((await client.fetchSpeakers?.() ?? [1]).length > 0);
console.log("voicevox-client (npm)");
