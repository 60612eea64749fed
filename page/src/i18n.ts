/** The page's texts in two languages. */

import { createStore, useStore } from "./store";

export const SAMPLE = "旅の途中で、不思議な街に辿り着きました。\n通りには古い時計が並び、どれも違う時を刻んでいます。\n「ここは、どこですか？」";

const ja = {
  play: "再生", stop: "停止", pause: "一時停止", resume: "続ける", edit: "編集に戻る", text: "本文",
  textHint: "ここに文章を書いて、再生を押してください。", tools: "操作",
  listening: "再生中の文章。単語を押すと、そこから再生します。",
  voice: "声", voiceSearch: "声を探す", speaker: "話者", style: "スタイル", licence: "ライセンス", noLicence: "記載なし",
  speed: "話速", style_weight: "スタイルの強さ", intonation: "抑揚", pitch: "声の高さ", sdp_ratio: "リズムの揺らぎ",
  noise: "音の揺らぎ", noise_w: "長さの揺らぎ", pauseBetween: "文と文の間", automatic: "自動", seed: "シード", again: "別の調子で",
  seconds: "秒", needsPitch: "「sokuon[pitch]」を入れると使えます。", more: "詳しい設定", defaults: "標準に戻す",
  correct: "読みとアクセント", correctHint: "直したい文を選んでください。",
  howToCorrect: "線を左右に動かすとアクセント、棒を上下に動かすと長さが変わります。",
  accentOf: "アクセント", flat: "平板", lengthOf: "長さ", lengths: "長さ", splitHere: "ここで区切る", joinNext: "次とつなぐ",
  editReading: "読みを直す", reading: "読み", notKana: "読みはかなで書いてください。", resetPhrase: "この句を自動に戻す",
  resetLine: "文を自動に戻す", pauseAfter: "文のあとの間", corrected: "修正済み", playLine: "この文を再生", compare: "聞き比べ",
  takeA: "A 自動", takeB: "B 修正", undo: "元に戻す", redo: "やり直す",
  teach: "単語を覚えさせる", surface: "表記", accent: "アクセント", wordType: "品詞", priority: "優先度", save: "保存", cancel: "やめる",
  taught: "単語を覚えました。これからはこの読みになります。", dictionary: "辞書", forget: "忘れる", noWords: "まだ単語がありません。",
  PROPER_NOUN: "固有名詞", COMMON_NOUN: "普通名詞", VERB: "動詞", ADJECTIVE: "形容詞", SUFFIX: "接尾辞",
  keep: "書き出す", whatToKeep: "範囲", wholeStory: "全体", eachSentence: "一文ずつ（ZIP）", thisSentence: "選んだ文だけ", sound: "音声", subtitlesAndTimes: "字幕と時刻",
  timings: "時刻（JSON）", project: "プロジェクト", saveProject: "ファイルに保存", openProject: "開く", newProject: "新規", opened: "前の内容は「元に戻す」で戻せます。",
  title: "題名", untitled: "無題", curl: "同じ音を作るコマンド", copy: "コピー", copied: "コピーしました。",
  working: "作成中", notAProject: "このファイルは速音のプロジェクトではありません。",
  newerProject: "このプロジェクトは別の版の速音で作られています。", browserFull: "ブラウザの保存領域がいっぱいです。ファイルに保存してください。",
  cast: "配役", castHint: "行の始めに「名前「せりふ」」と書くと、名前ごとに声を選べます。", narrator: "地の文と同じ（名前も読む）",
  presets: "プリセット", presetName: "名前", savePreset: "今の設定を保存", apply: "使う", remove: "消す",
  about: "この声について", styleMap: "スタイルの地図", styleMapHint: "点を押すと、そのスタイルで読みます。近い点ほど似ています。", card: "説明",
  server: "サーバー", loadedVoices: "読み込み済みの声", firstSound: "最初の音まで", version: "バージョン", speedFactor: "計算の速さ", timesRealTime: "実時間の # 倍", underWay: "処理中の依頼",
  offline: "サーバーにつながりません。つながり次第、続けられます。", nothingToSay: "読む文がありません。",
  busy: "サーバーが混み合っています。少し待ってから、もう一度お試しください。",
  needsKey: "このサーバーを使うには API キーが必要です。", wrongKey: "API キーが違います。もう一度入力してください。", useKey: "使う",
  precision: "精度の聞き比べ", usual: "（標準）", precisionHint: "選んである文を、重みの精度を変えて読みます。FP32 が元の重みです。矢印キーでも切り替えられます。",
  onePrecision: "この声は # の重みだけで使われています。", preparing: "# を準備しています。はじめは時間がかかります…",
  help: "使い方", keys: "キー操作", keyPlay: "再生／停止", keyEdit: "編集に戻る", keyCompare: "修正の前と後を聞き比べる",
  keyTab: "次の部品へ移る", keyArrows: "アクセントと長さを変える、並びの中を移る", keyDelete: "選んだ棒の長さを自動に戻す",
  helpWrite: "文章を書いて再生を押すと、すぐに読み始めます。読んでいる文と単語に色が付きます。",
  helpClick: "再生中の文章の単語を押すと、そこから読みます。",
  helpAccent: "下の欄には、選んだ文の読みとアクセントが出ます。折れ線を左右に動かすと、声が下がる場所が変わります。",
  helpLength: "棒を上下に動かすと、その音の長さが変わります。二度押すと自動に戻ります。",
  helpPhrase: "かなの間の点線で句を区切り、句の間の鎖でつなぎます。鉛筆で読みを直せます。",
  helpTeach: "本の印で単語を辞書に入れると、これからの文すべてがその読みになります。",
  helpKeep: "「書き出す」で、音声、字幕、プロジェクトをファイルにできます。書いたものはこのブラウザにも残ります。", close: "閉じる", language: "English", theme: "明暗を切り替える",
  characters: "字", waveform: "波形とスペクトログラム",
} as const;

const en: Record<keyof typeof ja, string> = {
  play: "Play", stop: "Stop", pause: "Pause", resume: "Resume", edit: "Back to editing", text: "Text",
  textHint: "Write here, then press play.", tools: "Tools",
  listening: "The text being played. Choose a word to play from it.",
  voice: "Voice", voiceSearch: "Find a voice", speaker: "Speaker", style: "Style", licence: "Licence", noLicence: "none given",
  speed: "Speed", style_weight: "Style strength", intonation: "Intonation", pitch: "Pitch", sdp_ratio: "Lively rhythm",
  noise: "Sound variation", noise_w: "Length variation", pauseBetween: "Between sentences", automatic: "auto", seed: "Seed", again: "Read it differently",
  seconds: "s", needsPitch: "Needs “sokuon[pitch]”.", more: "More settings", defaults: "Defaults",
  correct: "Reading and accent", correctHint: "Choose a sentence to correct.",
  howToCorrect: "Move the line sideways for the accent, the bars up and down for lengths.",
  accentOf: "Accent of", flat: "flat", lengthOf: "Length of", lengths: "Lengths", splitHere: "Split here", joinNext: "Join with the next",
  editReading: "Edit the reading", reading: "Reading", notKana: "Write a reading in kana.", resetPhrase: "Reset this phrase",
  resetLine: "Reset the sentence", pauseAfter: "Pause after it", corrected: "corrected", playLine: "Play this sentence", compare: "Compare",
  takeA: "A automatic", takeB: "B corrected", undo: "Undo", redo: "Redo",
  teach: "Teach a word", surface: "Written", accent: "Accent", wordType: "Part of speech", priority: "Priority", save: "Save", cancel: "Cancel",
  taught: "Learned. It is read like this from now on.", dictionary: "Dictionary", forget: "Forget", noWords: "No words yet.",
  PROPER_NOUN: "Proper noun", COMMON_NOUN: "Common noun", VERB: "Verb", ADJECTIVE: "Adjective", SUFFIX: "Suffix",
  keep: "Export", whatToKeep: "What", wholeStory: "Everything", eachSentence: "Each sentence (ZIP)", thisSentence: "Chosen sentence only", sound: "Sound", subtitlesAndTimes: "Subtitles and times",
  timings: "Times (JSON)", project: "Project", saveProject: "Save to a file", openProject: "Open", newProject: "New", opened: "Undo brings back what was here before.",
  title: "Title", untitled: "Untitled", curl: "Command that makes the same sound", copy: "Copy", copied: "Copied.",
  working: "Working", notAProject: "This file is no Sokuon project.",
  newerProject: "This project was made by another version of Sokuon.", browserFull: "The browser’s storage is full; save the project to a file.",
  cast: "Cast", castHint: "Begin a line with 名前「…」 to choose a voice for each name.", narrator: "as the rest (the name is read, too)",
  presets: "Presets", presetName: "Name", savePreset: "Save these settings", apply: "Use", remove: "Delete",
  about: "About this voice", styleMap: "Map of styles", styleMapHint: "Press a point to hear that style. Near points sound alike.", card: "Card",
  server: "Server", loadedVoices: "Loaded voices", firstSound: "First sound after", version: "Version", speedFactor: "Speed of computing", timesRealTime: "# × real time", underWay: "Requests under way",
  offline: "The server cannot be reached. You can go on as soon as it can.", nothingToSay: "There is nothing to say.",
  busy: "The server is busy. Wait a little, then try again.",
  needsKey: "This server asks for an API key.", wrongKey: "The API key is wrong. Enter it again.", useKey: "Use",
  precision: "Precisions, by ear", usual: " (usual)", precisionHint: "Reads the chosen sentence with weights of another precision. FP32 is the original. Arrow keys change it, too.",
  onePrecision: "This voice is used with # weights only.", preparing: "Preparing #. The first time takes a while…",
  help: "Help", keys: "Keys", keyPlay: "Play or stop", keyEdit: "Back to editing", keyCompare: "Compare before and after the correction",
  keyTab: "To the next part", keyArrows: "Change accent and length, move in a row", keyDelete: "Make the length of the chosen bar automatic",
  helpWrite: "Write and press play: it begins to speak at once. The sentence and the word being spoken are marked.",
  helpClick: "Choose a word of the text being played to play from it.",
  helpAccent: "Below are the reading and accent of the chosen sentence. Move the line sideways to move the fall of the pitch.",
  helpLength: "Move a bar up or down to change the length of a sound. A double click makes it automatic again.",
  helpPhrase: "Dotted lines between kana split a phrase, the chain between phrases joins them. The pencil edits the reading.",
  helpTeach: "The book adds a word to the dictionary: every sentence reads it like that from then on.",
  helpKeep: "Export makes files of the sound, subtitles and the project. What you write is kept in this browser, too.", close: "Close", language: "日本語", theme: "Light or dark",
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
