"""The VOICEVOX ENGINE API as AivisSpeech Engine serves it for Style-Bert-VITS2 voices; compatible, unofficial."""
