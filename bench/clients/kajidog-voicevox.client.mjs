// @kajidog/voicevox-client (npm)
import { VoicevoxClient } from "@kajidog/voicevox-client";
import assert from "node:assert";
import { readFileSync } from "node:fs";

const client = new VoicevoxClient({ url: process.argv[2], defaultSpeaker: 1 });
const speakers = await client.getSpeakers();
assert(speakers.length > 0);
assert((await client.getSpeakerInfo(speakers[0].uuid ?? speakers[0].speaker_uuid)) !== undefined);
const query = await client.generateQuery("こんにちは、世界。", 1);
assert(query.accent_phrases.length > 0);
const file = await client.generateAudioFile("こんにちは、世界。", "out.wav");
assert.equal(readFileSync(file).subarray(0, 4).toString(), "RIFF");
console.log("@kajidog/voicevox-client");
