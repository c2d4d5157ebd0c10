/** What /api/v1 answers; the Python side is pipeline/dashboard/models.py. */

export type Label = "negative" | "neutral" | "positive";
export const LABELS: readonly Label[] = ["negative", "neutral", "positive"];
/** What a mention may carry: one of the classes, or none because it would be wrong too often. */
export type AnyLabel = Label | "unsure";

export interface Share { share: number; low: number; high: number }

export interface Mood {
  mentions: number; negative: number; neutral: number; positive: number;
  /** Without a label: in `mentions`, in no share. `judged` are the others, `coverage` their share. */
  unsure: number; judged: number; coverage: number | null;
  negative_share: Share | null; neutral_share: Share | null; positive_share: Share | null;
  net: number | null; net_low: number | null; net_high: number | null;
  few: boolean; confidence: number | null; language_confidence: number | null; reach: number;
}

export interface Span { start: number; end: number; window_s: number; step_s: number }

export interface Summary {
  period: Span; mood: Mood; previous: Mood; per_minute: number; previous_per_minute: number; net_change: number | null;
  dead_letters: { window: number; total: number; reasons: Record<string, number> };
  newest_stored_at: string | null; newest_stored_age_s: number | null;
  /** Who judged that mention. */
  model: string | null; rule: string | null;
}

export interface Line { key: string; negative: number[]; neutral: number[]; positive: number[]; unsure: number[] }
export interface Series { period: Span; by: string; slots: number[]; series: Line[]; others: number }

/** How far the labels of a language can be trusted; the score is macro-F1, 0..1. */
export interface Trust {
  level: "high" | "fair" | "low" | "unknown"; source: "measured" | "estimated" | "none";
  macro_f1: { value: number; low: number; high: number } | null; in_words: string;
}

export interface LanguageRow { language: string; trust: Trust; mood: Mood; previous: Mood; mentions: number; share: number }
export interface Languages { period: Span; languages: LanguageRow[] }

export interface BrandRow { brand: string; mood: Mood; previous: Mood; mentions: number; share_of_voice: number }
export interface Brands { period: Span; brands: BrandRow[] }

export interface Mention {
  id: string; source: string; published_at: string; stored_at: string; language: string; language_confidence: number;
  brands: string[]; segments: { text: string; brand: string | null }[]; truncated: boolean;
  label: AnyLabel; probability: number; negative: number; neutral: number; positive: number; model: string;
  author: string | null; url: string | null; reach: number; country: string | null; revision: number;
}

export interface FeedChange { added: Mention[]; removed: string[]; reset: boolean }
export interface FeedPage { mentions: Mention[]; next: string | null }

export interface AgreementRow {
  language: string; texts: number; unsure: number; agree: number; agreement: Share | null; language_agree: number; mentions: number;
}
export interface Agreement {
  texts: number; unsure: number; agree: number; agreement: Share | null; languages: AgreementRow[]; sample_texts: number;
}

export interface Tick { ok: boolean; reason: string | null; as_of: number | null; now: number; newest_stored_age_s: number | null }

export interface Parts {
  summary: Summary; series: Series; languages: Languages; brands: Brands; agreement: Agreement; mentions: FeedChange; tick: Tick;
}

/** What `GET /api/v1/pipeline` answers; the Python side is pipeline/dashboard/models_pipeline.py. */
export interface Worker {
  role: string; pid: number; state: string; well: boolean; problem: string; rss_bytes: number | null; lag: number;
  committed_age_s: number | null; progress_age_s: number | null; restarts: number; ended: string; ended_at: number | null; words: string;
}
export interface PartitionLag { partition: number; lag: number; committed_age_s: number }
export interface TopicLag {
  role: string; topic: string; messages: number; lag: number; committed_age_s: number; progress_age_s: number; partitions: PartitionLag[];
}
export interface Service { name: string; up: boolean | null; address: string; error: string }
export interface Pipeline {
  state: "looking" | "well" | "ill"; headline: string; problems: string[]; notices: string[]; as_of: number | null; now: number;
  services: Service[]; workers_visible: boolean; workers_note: string; workers: Worker[]; topics: TopicLag[];
  dead_letters: number | null; dead_reasons: Record<string, number>;
}
