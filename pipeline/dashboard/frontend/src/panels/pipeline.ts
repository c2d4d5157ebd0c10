/** The operator's view: one quiet line while all is well; what is wrong, named, when it is not. */

import { byId, h, replaceKeepingFocus, setText } from "../dom";
import { age, clockTime, count } from "../format";
import { appendSafely } from "../safe-text";
import type { Pipeline, Service, TopicLag, Worker } from "../types";
import { headRow } from "./table";

const EVERY_MS = 3_000;
const SILENT_MS = 12_000;
const SIGN = { looking: "\u2026", well: "\u25cf", ill: "\u25b2" };

export class PipelinePanel {
  private readonly root = byId("pipeline");
  private readonly sign = h("span", { class: "pipeline-sign", "aria-hidden": "true" }, SIGN.looking);
  private readonly headline = h("span", {}, "pipeline: looking");
  private readonly more = h("span", { class: "pipeline-more" });
  private readonly button = h(
    "button",
    { type: "button", class: "pipeline-line", "aria-expanded": "false", "aria-controls": "pipeline-body", click: () => this.toggle() },
    this.sign, this.headline, this.more,
  );
  private readonly problems = h("ul", { class: "pipeline-problems", role: "status", "aria-live": "polite" });
  private readonly body = h("div", { class: "pipeline-body", id: "pipeline-body", hidden: true });
  private newest: Pipeline | null = null;
  private heardAt = performance.now();

  constructor() {
    this.root.append(this.button, this.problems, this.body);
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void this.ask();
    });
    setInterval(() => {
      if (!document.hidden) void this.ask();
    }, EVERY_MS);
    void this.ask();
  }

  private toggle(): void {
    this.body.hidden = !this.body.hidden;
    this.button.setAttribute("aria-expanded", String(!this.body.hidden));
    this.draw();
  }

  private async ask(): Promise<void> {
    try {
      const answer = await fetch("/api/v1/pipeline", { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(5_000) });
      if (answer.ok) {
        this.newest = (await answer.json()) as Pipeline;
        this.heardAt = performance.now();
      }
    } catch {
      // no answer: the silence says so
    }
    this.draw();
  }

  private draw(): void {
    const silent = performance.now() - this.heardAt > SILENT_MS;
    const part = this.newest;
    const state = silent ? "ill" : part ? part.state : "looking";
    this.root.className = `pipeline ${state}`;
    setText(this.sign, SIGN[state]);
    setText(this.headline, silent ? "pipeline: not known, the dashboard does not answer" : part ? part.headline : "pipeline: looking");
    if (!part) return;
    const notes = part.notices.length ? `${part.notices.length} note${part.notices.length > 1 ? "s" : ""}` : "";
    setText(this.more, `${notes} ${this.body.hidden ? "\u25b8" : "\u25be"}`);
    // Ages in the words change with every look: they are written in place, and read out only when a line comes or goes.
    const shown = silent ? [] : part.problems;
    while (this.problems.childElementCount > shown.length) this.problems.lastElementChild?.remove();
    shown.forEach((text, i) => {
      const item = this.problems.children[i] ?? this.problems.appendChild(h("li"));
      if (item.getAttribute("data-text") === text) return;
      item.setAttribute("data-text", text);
      item.replaceChildren();
      appendSafely(item, text);
    });
    if (!this.body.hidden) replaceKeepingFocus(this.body, ...details(part));
  }
}

function details(part: Pipeline): HTMLElement[] {
  const dead = part.dead_letters === null ? "not known" : count(part.dead_letters);
  const reasons = Object.entries(part.dead_reasons).map(([reason, n]) => `${reason} ${count(n)}`).join(", ");
  return [
    block("Workers", part.workers_visible && part.workers.length ? workers(part.workers) : note(part.workers_note || "no worker runs")),
    block("Topics", part.topics.length ? topics(part.topics) : note("not known: Kafka has not told")),
    block("Services", services(part.services)),
    block("Dead letters", note(`${dead} open${reasons ? `: ${reasons}` : ""}`)),
    ...(part.notices.length ? [block("Notes", h("ul", {}, ...part.notices.map((text) => safely(h("li"), text))))] : []),
    ...part.workers.filter((worker) => !worker.well && worker.words).map((worker) =>
      block(`Last lines of ${worker.role} before it ended`, safely(h("pre", { class: "words", tabindex: "0" }), worker.words))),
  ];
}

function workers(rows: Worker[]): HTMLElement {
  return h("table", {},
    h("caption", { class: "unseen" }, "Workers of this machine"),
    headRow([
      ["Worker", "Its role", "text"],
      ["State", "Whether it gets on", "text"],
      ["Memory", "Resident memory"],
      ["Lag", "Messages of its partitions that it has not committed"],
      ["Waits", "For how long messages have waited without a commit: the worst of its partitions, 0 when none wait"],
      ["Moved", "When it last committed anything"],
      ["Restarts", "How often babelwatch up has started it again"],
      ["Last end", "How it ended the last time", "text"],
    ]),
    h("tbody", {}, ...rows.map((w) => h("tr", {},
      h("th", { scope: "row", class: "text", title: `process ${w.pid}` }, w.role),
      h("td", { class: `text ${w.well ? "" : "wrong"}` }, `${w.well ? SIGN.well : SIGN.ill} ${w.state}`),
      h("td", { class: "number" }, w.rss_bytes === null ? "\u2013" : `${count(w.rss_bytes / 2 ** 20)} MiB`),
      h("td", { class: "number" }, count(w.lag)),
      h("td", { class: "number" }, w.committed_age_s === null ? "\u2013" : age(w.committed_age_s)),
      h("td", { class: "number" }, w.progress_age_s === null ? "\u2013" : `${age(w.progress_age_s)} ago`),
      h("td", { class: `number${w.restarts ? " strong" : ""}` }, count(w.restarts)),
      safely(h("td", { class: "text ended" }), w.ended_at === null ? "\u2013" : `${clockTime(w.ended_at)} ${w.ended}`)))));
}

function topics(rows: TopicLag[]): HTMLElement {
  return h("table", {},
    h("caption", { class: "unseen" }, "Topics and how far they are read"),
    headRow([
      ["Topic", "Kafka topic", "text"],
      ["Read by", "The role that reads it", "text"],
      ["Messages", "Messages ever written"],
      ["Lag", "Messages that are not committed"],
      ["Waits", "For how long messages have waited without a commit: the worst partition, 0 when none wait"],
      ["Lag by partition", "Partition: messages that are not committed", "text"],
    ]),
    h("tbody", {}, ...rows.map((t) => h("tr", {},
      h("th", { scope: "row", class: "text" }, t.topic),
      h("td", { class: "text" }, t.role),
      h("td", { class: "number" }, count(t.messages)),
      h("td", { class: "number strong" }, count(t.lag)),
      h("td", { class: `number${t.committed_age_s > 20 ? " wrong" : ""}` }, age(t.committed_age_s)),
      h("td", { class: "text soft" }, t.partitions.map((p) => `${p.partition}: ${count(p.lag)}`).join("  "))))));
}

function services(rows: Service[]): HTMLElement {
  return h("ul", {}, ...rows.map((s) => {
    const state = s.up === null ? "not looked at yet" : s.up ? "up" : "down";
    return safely(h("li", { class: s.up === false ? "wrong" : "" }), `${s.up === false ? SIGN.ill : SIGN.well} ${s.name} ${state}, ${s.address}`);
  }));
}

const block = (title: string, content: HTMLElement): HTMLElement =>
  h("div", { class: "pipeline-block" }, h("h2", {}, title), h("div", { class: "scroll" }, content));

const note = (text: string): HTMLElement => safely(h("p", { class: "note" }), text);

function safely<E extends HTMLElement>(element: E, text: string): E {
  appendSafely(element, text);
  return element;
}
