"""`sokuon serve`: one port that speaks the OpenAI, VOICEVOX and Style-Bert-VITS2 APIs (extra `sokuon[server]`).

Unofficial: compatible with these interfaces, not made by or connected with their makers.
"""
