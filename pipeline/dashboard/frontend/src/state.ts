/** What the reader looks at, kept in the address: a view can be bookmarked, shared, and gone back from. */

export interface Filters { window: number; brand: string; language: string }

export const WINDOWS: readonly [number, string, string][] = [
  [300, "5 min", "5 minutes"], [900, "15 min", "15 minutes"], [3600, "1 h", "1 hour"], [86400, "24 h", "24 hours"], [604800, "7 d", "7 days"],
];

type Listener = (filters: Filters) => void;
const listeners: Listener[] = [];

function read(): Filters {
  const query = new URLSearchParams(location.search);
  const window = Number(query.get("window"));
  return {
    window: WINDOWS.some(([seconds]) => seconds === window) ? window : 900,
    brand: (query.get("brand") ?? "").slice(0, 128),
    language: (query.get("language") ?? "").slice(0, 35),
  };
}

let current = read();

export const filters = (): Filters => current;

export function onChange(listener: Listener): void {
  listeners.push(listener);
}

export function setFilters(change: Partial<Filters>): void {
  const next = { ...current, ...change };
  if (next.window === current.window && next.brand === current.brand && next.language === current.language) return;
  current = next;
  history.pushState(null, "", `?${pageQuery(next)}`);
  for (const listener of listeners) listener(next);
}

addEventListener("popstate", () => {
  current = read();
  for (const listener of listeners) listener(current);
});

function pageQuery(f: Filters): URLSearchParams {
  const query = new URLSearchParams({ window: String(f.window) });
  if (f.brand) query.set("brand", f.brand);
  if (f.language) query.set("language", f.language);
  return query;
}

/** The same filters as the API names them. */
export function apiQuery(f: Filters, more: Record<string, string> = {}): string {
  const query = new URLSearchParams({ window_s: String(f.window), ...more });
  if (f.brand) query.set("brand", f.brand);
  if (f.language) query.set("language", f.language);
  return query.toString();
}
