// openai (npm)
import OpenAI from "openai";
import assert from "node:assert";

const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "x" });
const input = "こんにちは、世界。";
for (const response_format of ["mp3", "opus", "flac", "wav", "pcm"]) {
  const reply = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input, response_format });
  assert((await reply.arrayBuffer()).byteLength > 3000);
}
await assert.rejects(client.audio.speech.create({ model: "tts-1", voice: "nobody", input }), (error) => {
  assert.equal(error.status, 400);
  assert.equal(error.code, "voice_not_found");
  assert.match(error.message, /nobody/);
  return true;
});
const models = await client.models.list();
assert.equal(models.data[0].id, "sokuon");
console.log("openai (npm)");
