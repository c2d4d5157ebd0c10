/** The newest mentions. Hostile input: text nodes only, direction isolated, deceptive characters made visible. */

import { byId, h, setText } from "../dom";
import { age, brandName, fullTime, languageName, percent, SIGN } from "../format";
import { appendSafely, httpUrl, langAttribute } from "../safe-text";
import { apiQuery, filters } from "../state";
import { LABELS, type AnyLabel, type FeedChange, type FeedPage, type Mention } from "../types";

// A phone shows the feed below everything else: a short page there, with a button for more.
const KEPT = matchMedia("(max-width: 820px)").matches ? 30 : 200;
const LONG = 320;
const DOUBTFUL = 0.5;

export class Feed {
  private items = new Map<string, { mention: Mention; element: HTMLElement; time: HTMLElement }>();
  private readonly list = h("ol", { class: "mentions" });
  private readonly empty = h("p", { class: "empty" }, "No mentions in this window yet");
  private readonly pause: HTMLButtonElement;
  private readonly older: HTMLButtonElement;
  private readonly root = byId("feed");
  private paused = false;
  private waiting: FeedChange[] = [];
  private waitingCount = 0;
  private only: AnyLabel | "" = "";
  private readonly choice: HTMLSelectElement;
  private reachedEnd = false;
  private limit = KEPT;

  constructor() {
    this.pause = h("button", { type: "button", class: "small", "aria-pressed": "false", id: "pause", click: () => this.setPaused(!this.paused) }, "Pause");
    this.choice = h("select", { id: "only", "aria-label": "Show only mentions with this label", change: (event) => this.choose(event) },
      h("option", { value: "" }, "All labels"),
      ...LABELS.map((label) => h("option", { value: label }, `${SIGN[label]} ${label}`)));
    byId("feed-controls").append(this.choice, this.pause);
    this.older = h("button", { type: "button", class: "small", click: () => void this.loadOlder() }, "Older mentions");
    this.root.append(this.empty, this.list, h("p", { class: "older" }, this.older));
    setInterval(() => this.ages(), 1000);
  }

  /** There are unsure mentions: they can be chosen from now on. */
  offerUnsure(): void {
    if (this.choice.querySelector("option[value=unsure]")) return;
    this.choice.append(h("option", { value: "unsure" }, `${SIGN.unsure} unsure`));
  }

  update(change: FeedChange): void {
    if (this.paused && !change.reset) {
      this.waiting.push(change);
      this.waitingCount += change.added.length;
      this.label();
      return;
    }
    this.apply(change);
  }

  /** Another view: start anew. */
  clear(): void {
    this.waiting = [];
    this.waitingCount = 0;
    this.limit = KEPT;
    this.reachedEnd = false;
    this.apply({ added: [], removed: [], reset: true });
    this.label();
  }

  private apply(change: FeedChange): void {
    if (change.reset) {
      this.items.clear();
      this.list.replaceChildren();
    }
    for (const id of change.removed) this.drop(id);
    // oldest first, so that each goes before what is there already
    for (const mention of [...change.added].reverse()) this.put(mention);
    if (!this.paused) this.trim();
    this.empty.hidden = this.items.size > 0;
    this.older.hidden = this.items.size === 0 || this.reachedEnd;
  }

  private put(mention: Mention): void {
    this.drop(mention.id);
    const time = h("time", { datetime: mention.published_at, title: fullTime(mention.published_at) });
    const element = item(mention, time);
    element.hidden = this.only !== "" && mention.label !== this.only;
    // keep what the reader reads where it is, unless the feed stands at its top
    const top = this.root.scrollTop;
    const before = this.root.scrollHeight;
    const next = this.place(mention);
    this.list.insertBefore(element, next);
    this.items.set(mention.id, { mention, element, time });
    this.age(mention, time);
    if (top > 4) this.root.scrollTop = top + (this.root.scrollHeight - before);
  }

  /** The first element that is older. New mentions are nearly always newest, so the search ends at once. */
  private place(mention: Mention): Element | null {
    const at = Date.parse(mention.published_at);
    for (const element of this.list.children) {
      if (Number((element as HTMLElement).dataset.at) <= at) return element;
    }
    return null;
  }

  private drop(id: string): void {
    this.items.get(id)?.element.remove();
    this.items.delete(id);
  }

  private trim(): void {
    while (this.items.size > this.limit) {
      const last = this.list.lastElementChild as HTMLElement | null;
      if (!last) break;
      this.drop(last.dataset.id ?? "");
      this.reachedEnd = false;
    }
  }

  private setPaused(paused: boolean): void {
    this.paused = paused;
    if (!paused) {
      const waiting = this.waiting;
      this.waiting = [];
      this.waitingCount = 0;
      for (const change of waiting) this.apply(change);
      this.trim();
    }
    this.label();
  }

  private label(): void {
    this.pause.setAttribute("aria-pressed", String(this.paused));
    const more = this.waitingCount > KEPT ? `${KEPT}+` : String(this.waitingCount);
    setText(this.pause, this.paused ? (this.waitingCount ? `Resume (${more} new)` : "Resume") : "Pause");
    // a feed that is paused for hours must not fill the memory
    while (this.waiting.length > KEPT) this.waiting.shift();
  }

  private choose(event: Event): void {
    this.only = (event.target as HTMLSelectElement).value as AnyLabel | "";
    for (const { mention, element } of this.items.values()) element.hidden = this.only !== "" && mention.label !== this.only;
  }

  private async loadOlder(): Promise<void> {
    const last = [...this.items.values()].at(-1) && (this.list.lastElementChild as HTMLElement | null);
    const mention = last ? this.items.get(last.dataset.id ?? "")?.mention : undefined;
    if (!mention) return;
    this.older.disabled = true;
    try {
      const cursor = btoa(`${Date.parse(mention.published_at)}.${mention.id}`).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
      const more: Record<string, string> = { limit: "50", cursor, ...(this.only ? { label: this.only } : {}) };
      const answer = await fetch(`/api/v1/mentions?${apiQuery(filters(), more)}`);
      if (!answer.ok) throw new Error(String(answer.status));
      const page = (await answer.json()) as FeedPage;
      this.limit += page.mentions.length;
      this.reachedEnd = page.next === null;
      this.apply({ added: page.mentions, removed: [], reset: false });
      setText(this.older, "Older mentions");
    } catch {
      setText(this.older, "No answer. Try again");
    } finally {
      this.older.disabled = false;
    }
  }

  private ages(): void {
    for (const { mention, time } of this.items.values()) this.age(mention, time);
  }

  private age(mention: Mention, time: HTMLElement): void {
    setText(time, age((Date.now() - Date.parse(mention.published_at)) / 1000));
  }
}

function item(mention: Mention, time: HTMLElement): HTMLElement {
  const unsure = mention.label === "unsure";
  const doubtful = !unsure && mention.probability < DOUBTFUL;
  const why = unsure ? "; none is sure enough for the error that is accepted" : doubtful ? "; the model is not sure" : "";
  const chances = LABELS.map((label) => `${label} ${percent(mention[label])}`).join(", ");
  const language = languageName(mention.language);
  const text = h("p", { class: "said" });
  const isolate = h("bdi", { dir: "auto", lang: langAttribute(mention.language) });
  for (const segment of mention.segments) {
    const parent = segment.brand === null ? isolate : h("mark", { title: brandName(segment.brand) });
    appendSafely(parent, segment.text);
    if (parent !== isolate) isolate.append(parent);
  }
  if (mention.truncated) isolate.append("\u2026");
  text.append(isolate);
  const length = mention.segments.reduce((n, segment) => n + segment.text.length, 0);
  const more = length > LONG
    ? h("button", { type: "button", class: "more", "aria-expanded": "false", click: (event) => expand(event, text) }, "more")
    : null;
  if (more) text.classList.add("clamped");
  return h("li", { class: `mention ${mention.label}`, "data-id": mention.id, "data-at": Date.parse(mention.published_at) },
    h("p", { class: "about" },
      h("span", { class: `label ${mention.label}${doubtful ? " doubtful" : ""}`, title: `${chances}${why} (${mention.model})` },
        h("span", { "aria-hidden": "true" }, `${SIGN[mention.label]} `), mention.label, unsure ? "" : ` ${percent(mention.probability)}`),
      h("span", { class: "tongue", title: `${language}, ${percent(mention.language_confidence)} sure` }, language, " ", h("span", { class: "tag" }, mention.language)),
      h("span", { class: "where" }, h("bdi", {}, mention.source), mention.country ? ` \u00b7 ${mention.country}` : "", mention.revision > 0 ? " \u00b7 edited" : ""),
      link(mention.url, time)),
    text,
    more,
    mention.author ? h("p", { class: "author" }, safeBdi(mention.author)) : null);
}

function safeBdi(text: string): HTMLElement {
  const isolate = h("bdi", { dir: "auto" });
  appendSafely(isolate, text);
  return isolate;
}

function link(url: string | null, time: HTMLElement): HTMLElement {
  const href = httpUrl(url);
  return href ? h("a", { class: "when", href, target: "_blank", rel: "noopener noreferrer nofollow", referrerpolicy: "no-referrer", title: "Open where it was said" }, time) : h("span", { class: "when" }, time);
}

function expand(event: Event, text: HTMLElement): void {
  const button = event.currentTarget as HTMLElement;
  const open = text.classList.toggle("clamped");
  button.setAttribute("aria-expanded", String(!open));
  button.textContent = open ? "more" : "less";
}
