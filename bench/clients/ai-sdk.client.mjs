// ai and @ai-sdk/openai (npm)
import { createOpenAI } from "@ai-sdk/openai";
import { experimental_generateSpeech as generateSpeech } from "ai";
import assert from "node:assert";

const openai = createOpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "x" });
const { audio } = await generateSpeech({ model: openai.speech("tts-1"), text: "こんにちは、世界。", voice: "alloy" });
assert(audio.uint8Array.length > 3000);
assert.equal(audio.mediaType, "audio/mpeg");
await assert.rejects(
  generateSpeech({ model: openai.speech("tts-1"), text: "はい", voice: "nobody", maxRetries: 0 }),
  /nobody/,
);
console.log("@ai-sdk/openai");
