/** Numbers and times as the page writes them. The page is in English, whatever the texts are in. */

import type { AnyLabel, Mood, Share } from "./types";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const oneDigit = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const names = new Intl.DisplayNames("en", { type: "language", fallback: "code" });

export const MINUS = "\u2212";
export const SIGN: Record<AnyLabel, string> = { negative: "\u25bc", neutral: "\u25cf", positive: "\u25b2", unsure: "?" };

export const count = (n: number): string => (n >= 1e6 ? compact.format(n) : whole.format(n));
export const rate = (n: number): string => (n >= 100 ? whole.format(n) : oneDigit.format(n));
export const percent = (share: number): string => `${Math.round(share * 100)}%`;

/** Net sentiment in points: +12, −3, 0. */
export function points(net: number): string {
  const n = Math.round(net * 100);
  return n > 0 ? `+${n}` : n < 0 ? `${MINUS}${-n}` : "0";
}

export function interval(share: Share): string {
  return `${Math.round(share.low * 100)}\u2013${Math.round(share.high * 100)}%`;
}

export function netInterval(mood: Mood): string {
  return mood.net_low === null || mood.net_high === null ? "" : `${points(mood.net_low)} to ${points(mood.net_high)}`;
}

export function languageName(tag: string): string {
  if (tag === "und") return "Not sure";
  try {
    return names.of(tag) ?? tag;
  } catch {
    return tag;
  }
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const clockSeconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric" });
const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const clockTime = (unix: number): string => clock.format(unix * 1000);
export const slotTime = (unix: number, step: number): string =>
  step < 60 ? clockSeconds.format(unix * 1000) : step < 86400 ? `${day.format(unix * 1000)} ${clock.format(unix * 1000)}` : day.format(unix * 1000);
export const dayName = (unix: number): string => day.format(unix * 1000);
export const fullTime = (iso: string): string => full.format(new Date(iso));

/** 3 s, 4 min, 2 h, 3 d. */
export function age(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

export function duration(seconds: number): string {
  return { 300: "5 min", 900: "15 min", 3600: "1 h", 86400: "24 h", 604800: "7 d" }[seconds] ?? age(seconds);
}

/** A step in words: 10 s, 10 min, 1 h. */
export const stepName = (seconds: number): string => age(seconds);

/** Brand ids are lower case by convention; a reader sees them with a capital. */
export const brandName = (id: string): string => id.charAt(0).toUpperCase() + id.slice(1);
