/** Filters, freshness, and the banner that says when the data is old. */

import { byId, h, replaceKeepingFocus, setText } from "../dom";
import { age, brandName, languageName } from "../format";
import { filters, setFilters, WINDOWS } from "../state";
import type { Health } from "../stream";

export class Header {
  private readonly windows = h("div", { class: "segments", role: "group", "aria-label": "Time window" });
  private readonly brand = select("brand", "Brand", (brand) => setFilters({ brand }));
  private readonly language = select("language", "Language", (language) => setFilters({ language }));
  private readonly clear = h("button", { type: "button", class: "small", id: "clear", click: () => setFilters({ brand: "", language: "" }) }, "Clear");
  private brands: string[] = [];
  private languages: string[] = [];
  private newest: { age: number; at: number } | null = null;

  constructor() {
    byId("filters").append(this.windows, this.brand, this.language, this.clear);
    this.render();
  }

  /** Choices come from the data: what was seen stays a choice. */
  offer(kind: "brands" | "languages", values: string[]): void {
    const merged = [...new Set([...this[kind], ...values])].sort();
    if (merged.length === this[kind].length) return;
    this[kind] = merged;
    this.render();
  }

  render(): void {
    const f = filters();
    replaceKeepingFocus(this.windows, ...WINDOWS.map(([seconds, short, long]) =>
      h("button", { type: "button", "data-key": `window-${seconds}`, "aria-pressed": String(f.window === seconds), "aria-label": `Last ${long}`, click: () => setFilters({ window: seconds }) }, short)));
    options(this.brand, "All brands", this.brands, f.brand, brandName);
    options(this.language, "All languages", this.languages, f.language, (tag) => `${languageName(tag)} (${tag})`);
    this.clear.hidden = !f.brand && !f.language;
    const looked = [f.brand && brandName(f.brand), f.language && languageName(f.language)].filter(Boolean).join(", ");
    document.title = looked ? `${looked} \u00b7 babelwatch` : "babelwatch";
  }

  fresh(seconds: number | null): void {
    this.newest = seconds === null ? null : { age: seconds, at: performance.now() };
  }

  /** Once a second: how fresh, and what is wrong. */
  health(health: Health): void {
    const fresh = byId("fresh");
    const old = health.problem !== null;
    fresh.classList.toggle("stale", old);
    const newest = this.newest ? this.newest.age + (performance.now() - this.newest.at) / 1000 : null;
    setText(fresh, old ? "not live" : health.dataAge === null ? "connecting\u2026" : newest === null ? "live, no mentions today" : `live, newest stored ${age(newest)} ago`);
    const banner = byId("banner");
    document.body.classList.toggle("has-problem", old);
    if (!old) {
      if (banner.childElementCount) banner.replaceChildren();
      return;
    }
    let [what, since] = [...banner.children] as HTMLElement[];
    if (!what || !since) {
      what = h("strong", { class: "banner-text" });
      // the age counts up every second: it is read out with the reason, not by itself
      since = h("span", { class: "banner-age", "aria-live": "off" });
      banner.replaceChildren(what, since);
    }
    setText(what, health.problem ?? "");
    setText(since, health.dataAge === null ? "No data yet. Trying again." : `Data is ${Math.round(health.dataAge)} seconds old. Trying again.`);
  }
}

function select(id: string, name: string, onPick: (value: string) => void): HTMLSelectElement {
  return h("select", { id, "aria-label": name, change: (event) => onPick((event.target as HTMLSelectElement).value) });
}

function options(element: HTMLSelectElement, all: string, values: string[], chosen: string, name: (value: string) => string): void {
  const wanted = chosen && !values.includes(chosen) ? [...values, chosen] : values;
  const same = element.options.length === wanted.length + 1 && wanted.every((value, i) => element.options[i + 1]?.value === value);
  if (!same) element.replaceChildren(h("option", { value: "" }, all), ...wanted.map((value) => h("option", { value }, name(value))));
  element.value = chosen;
  element.classList.toggle("active", chosen !== "");
}
