/** The page's texts in two languages. */

import { createStore, useStore } from "./store";

export const SAMPLE = "旅の途中で、不思議な街に辿り着きました。\n通りには古い時計が並び、どれも違う時を刻んでいます。\n「ここは、どこですか？」";

const ja = {
  play: "再生", stop: "停止", pause: "一時停止", resume: "続ける", edit: "編集に戻る", text: "本文",
  textHint: "ここに文章を書いて、再生を押してください。",
  listening: "再生中の文章。単語を押すと、そこから再生します。",
  voice: "声", voiceSearch: "声を探す", speaker: "話者", style: "スタイル", licence: "ライセンス", noLicence: "記載なし",
  speed: "話速", style_weight: "スタイルの強さ", intonation: "抑揚", pitch: "声の高さ", sdp_ratio: "リズムの揺らぎ",
  noise: "音の揺らぎ", noise_w: "長さの揺らぎ", pauseBetween: "文の間", automatic: "自動", seed: "シード", again: "別の読み方",
  seconds: "秒", needsPitch: "「sokuon[pitch]」を入れると使えます。", more: "詳しい設定", defaults: "標準に戻す",
  correct: "読みとアクセント", correctHint: "直したい文を選んでください。",
  accentOf: "アクセント", flat: "平板", lengthOf: "長さ", splitHere: "ここで区切る", joinNext: "次とつなぐ",
  editReading: "読みを直す", reading: "読み", notKana: "読みはかなで書いてください。", resetPhrase: "この句を自動に戻す",
  resetLine: "文を自動に戻す", pauseAfter: "文のあとの間", corrected: "修正済み", playLine: "この文を再生", compare: "聞き比べ",
  takeA: "A 自動", takeB: "B 修正", undo: "元に戻す", redo: "やり直す",
  teach: "単語を覚えさせる", surface: "表記", accent: "アクセント", wordType: "品詞", priority: "優先度", save: "保存", cancel: "やめる",
  taught: "覚えました。これからはこの読みになります。", dictionary: "辞書", forget: "忘れる", noWords: "まだ単語がありません。",
  PROPER_NOUN: "固有名詞", COMMON_NOUN: "普通名詞", VERB: "動詞", ADJECTIVE: "形容詞", SUFFIX: "接尾辞",
  keep: "書き出す", wholeStory: "全体", thisSentence: "選んだ文", sound: "音声", subtitlesAndTimes: "字幕と時刻",
  timings: "時刻（JSON）", project: "プロジェクト", saveProject: "ファイルに保存", openProject: "ファイルを開く", newProject: "新規",
  title: "題名", untitled: "無題", curl: "同じ音を作るコマンド", copy: "コピー", copied: "コピーしました。",
  working: "作成中", notAProject: "このファイルは速音のプロジェクトではありません。",
  newerProject: "このプロジェクトは別の版の速音で作られています。", browserFull: "ブラウザの保存領域がいっぱいです。ファイルに保存してください。",
  cast: "配役", castHint: "行の始めに「名前「せりふ」」と書くと、名前ごとに声を選べます。", narrator: "地の文と同じ（名前も読む）",
  presets: "プリセット", presetName: "名前", savePreset: "今の設定を保存", apply: "使う", remove: "消す",
  about: "この声について", styleMap: "スタイルの地図", styleMapHint: "点を押すと、そのスタイルで読みます。近い点ほど似ています。", card: "説明",
  server: "サーバー", loadedVoices: "読み込み済みの声", firstSound: "最初の音まで", version: "版", speedFactor: "計算の速さ", timesRealTime: "実時間の#倍", underWay: "処理中の依頼",
  offline: "サーバーにつながりません。つながり次第、続けられます。", nothingToSay: "読む文がありません。",
  needsKey: "このサーバーは鍵（API キー）が必要です。", close: "閉じる", language: "English", theme: "明暗を切り替える",
  characters: "字", waveform: "波形とスペクトログラム",
} as const;

const en: Record<keyof typeof ja, string> = {
  play: "Play", stop: "Stop", pause: "Pause", resume: "Resume", edit: "Back to editing", text: "Text",
  textHint: "Write here, then press play.",
  listening: "The text being played. Choose a word to play from it.",
  voice: "Voice", voiceSearch: "Find a voice", speaker: "Speaker", style: "Style", licence: "Licence", noLicence: "none given",
  speed: "Speed", style_weight: "Style strength", intonation: "Intonation", pitch: "Pitch", sdp_ratio: "Lively rhythm",
  noise: "Sound variation", noise_w: "Length variation", pauseBetween: "Between sentences", automatic: "auto", seed: "Seed", again: "Read it differently",
  seconds: "s", needsPitch: "Needs “sokuon[pitch]”.", more: "More settings", defaults: "Defaults",
  correct: "Reading and accent", correctHint: "Choose a sentence to correct.",
  accentOf: "Accent of", flat: "flat", lengthOf: "Length of", splitHere: "Split here", joinNext: "Join with the next",
  editReading: "Edit the reading", reading: "Reading", notKana: "Write a reading in kana.", resetPhrase: "Reset this phrase",
  resetLine: "Reset the sentence", pauseAfter: "Pause after it", corrected: "corrected", playLine: "Play this sentence", compare: "Compare",
  takeA: "A automatic", takeB: "B corrected", undo: "Undo", redo: "Redo",
  teach: "Teach a word", surface: "Written", accent: "Accent", wordType: "Part of speech", priority: "Priority", save: "Save", cancel: "Cancel",
  taught: "Learned. It is read like this from now on.", dictionary: "Dictionary", forget: "Forget", noWords: "No words yet.",
  PROPER_NOUN: "Proper noun", COMMON_NOUN: "Common noun", VERB: "Verb", ADJECTIVE: "Adjective", SUFFIX: "Suffix",
  keep: "Export", wholeStory: "Everything", thisSentence: "Chosen sentence", sound: "Sound", subtitlesAndTimes: "Subtitles and times",
  timings: "Times (JSON)", project: "Project", saveProject: "Save to a file", openProject: "Open a file", newProject: "New",
  title: "Title", untitled: "Untitled", curl: "Command that makes the same sound", copy: "Copy", copied: "Copied.",
  working: "Working", notAProject: "This file is no Sokuon project.",
  newerProject: "This project was made by another version of Sokuon.", browserFull: "The browser’s storage is full; save the project to a file.",
  cast: "Cast", castHint: "Begin a line with 名前「…」 to choose a voice for each name.", narrator: "as the rest (the name is read, too)",
  presets: "Presets", presetName: "Name", savePreset: "Save these settings", apply: "Use", remove: "Delete",
  about: "About this voice", styleMap: "Map of styles", styleMapHint: "Press a point to hear that style. Near points sound alike.", card: "Card",
  server: "Server", loadedVoices: "Loaded voices", firstSound: "First sound after", version: "Version", speedFactor: "Speed of computing", timesRealTime: "# × real time", underWay: "Requests under way",
  offline: "The server cannot be reached. You can go on as soon as it can.", nothingToSay: "There is nothing to say.",
  needsKey: "This server asks for a key.", close: "Close", language: "日本語", theme: "Light or dark",
  characters: "characters", waveform: "Waveform and spectrogram",
};

export type Key = keyof typeof ja;
export type Language = "ja" | "en";

const CHOSEN = "sokuon-language";

function preferred(): Language {
  const chosen = localStorage.getItem(CHOSEN);
  if (chosen === "ja" || chosen === "en") return chosen;
  return navigator.languages.find((l) => /^(ja|en)\b/.test(l))?.startsWith("ja") === false ? "en" : "ja";
}

export const language = createStore<{ now: Language }>({ now: preferred() });

export function setLanguage(now: Language): void {
  localStorage.setItem(CHOSEN, now);
  language.set({ now });
}

export function t(key: Key): string {
  return (language.get().now === "ja" ? ja : en)[key];
}

/** A text of the page if there is one of that name, else the text itself. */
export function translated(text: string): string {
  return Object.hasOwn(ja, text) ? t(text as Key) : text;
}

/** Draw again when the language changes. */
export function useLanguage(): Language {
  return useStore(language, (l) => l.now);
}
