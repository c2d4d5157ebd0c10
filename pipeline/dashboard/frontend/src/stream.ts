/** The live connection: opens, resumes, reconnects, and says how old the data is. */

import { apiQuery, type Filters } from "./state";
import type { Parts, Tick } from "./types";

type Handlers = { [K in keyof Parts]: (part: Parts[K]) => void };

const NAMES: readonly (keyof Parts)[] = ["summary", "series", "languages", "brands", "agreement", "mentions", "tick"];
const SILENT_MS = 6_000;
const HIDDEN_MS = 60_000;

export interface Health {
  /** Null while all is well. */
  problem: string | null;
  /** Seconds since ClickHouse last answered; null before the first answer. */
  dataAge: number | null;
}

export class Stream {
  private source: EventSource | null = null;
  private lastId = "";
  private lastWord = performance.now();
  private tick: Tick | null = null;
  private tickAt = 0;
  private refused: string | null = null;
  private retry: number | undefined;
  private hidden: number | undefined;

  constructor(private filters: Filters, private readonly handlers: Handlers) {
    document.addEventListener("visibilitychange", () => this.visibility());
    this.open();
  }

  /** Look at something else. */
  view(filters: Filters): void {
    this.filters = filters;
    this.lastId = "";
    this.open();
  }

  health(): Health {
    const now = performance.now();
    const silent = now - this.lastWord > SILENT_MS;
    const since = (now - this.tickAt) / 1000;
    const dataAge = this.tick?.as_of == null ? null : Math.max(0, this.tick.now - this.tick.as_of) + since;
    if (this.refused) return { problem: this.refused, dataAge };
    if (silent) return { problem: "The dashboard does not answer.", dataAge };
    if (this.tick && !this.tick.ok) return { problem: this.tick.reason ?? "ClickHouse does not answer.", dataAge };
    return { problem: null, dataAge };
  }

  private open(): void {
    clearTimeout(this.retry);
    this.source?.close();
    const more: Record<string, string> = this.lastId ? { last_event_id: this.lastId } : {};
    const source = new EventSource(`/api/v1/stream?${apiQuery(this.filters, more)}`);
    this.source = source;
    for (const name of NAMES) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        if (source !== this.source) return;
        this.lastId = event.lastEventId;
        this.lastWord = performance.now();
        this.refused = null;
        const part: unknown = JSON.parse(event.data);
        if (name === "tick") {
          this.tick = part as Tick;
          this.tickAt = performance.now();
        }
        (this.handlers[name] as (part: unknown) => void)(part);
      });
    }
    source.addEventListener("error", () => {
      if (source !== this.source) return;
      // A dropped connection is opened again by the browser; a refused one (401, 503) is not.
      if (source.readyState === EventSource.CLOSED) void this.askWhy();
    });
  }

  private async askWhy(): Promise<void> {
    try {
      const answer = await fetch(`/api/v1/summary?${apiQuery(this.filters)}`, { headers: { Accept: "application/json" } });
      if (answer.status === 401) {
        this.refused = "The token has changed: open the address that babelwatch printed, with ?token=\u2026";
      } else if (!answer.ok) {
        const body = (await answer.json()) as { detail?: unknown };
        this.refused = typeof body.detail === "string" ? body.detail : `The dashboard refused (${answer.status}).`;
      }
    } catch {
      // no answer at all: the silence says so
    }
    this.retry = window.setTimeout(() => this.open(), 2_000);
  }

  /** A browser has six connections per host: a page that nobody sees for a minute gives its own back. */
  private visibility(): void {
    clearTimeout(this.hidden);
    if (document.hidden) {
      this.hidden = window.setTimeout(() => {
        this.source?.close();
        this.source = null;
      }, HIDDEN_MS);
    } else if (this.source === null) {
      this.lastWord = performance.now();
      this.open();
    }
  }
}
