/**
 * Text of strangers. Direction is isolated by <bdi>; what could still deceive a reader is made visible instead of
 * obeyed: bidirectional embeddings, overrides and isolates, control characters, invisible letters, tag characters.
 * Joiners stay (Persian and Indic scripts need them), and so do the plain direction marks LRM, RLM and ALM.
 */

const NAMES: Record<number, string> = {
  0x202a: "LRE", 0x202b: "RLE", 0x202c: "PDF", 0x202d: "LRO", 0x202e: "RLO",
  0x2066: "LRI", 0x2067: "RLI", 0x2068: "FSI", 0x2069: "PDI",
  0x200b: "ZWSP", 0x2060: "WJ", 0xfeff: "BOM", 0x00ad: "SHY", 0x2028: "LSEP", 0x2029: "PSEP", 0x180e: "MVS",
};

// C0 and C1 controls but tab and line feed; the named ones above; tag characters
const SUSPICIOUS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u180e\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff\u{e0000}-\u{e007f}]/gu;
const FLAG = "\u{1f3f4}";

/** Append `text` to `parent`: plain text nodes, and a marked <span> for every character that must not act. */
export function appendSafely(parent: Node, text: string): void {
  let at = 0;
  for (const match of text.matchAll(SUSPICIOUS)) {
    const index = match.index;
    const code = match[0].codePointAt(0) ?? 0;
    // flags of England, Scotland, Wales are written with tag characters
    if (code >= 0xe0000 && text.slice(Math.max(0, index - 16), index).includes(FLAG)) continue;
    if (index > at) parent.appendChild(document.createTextNode(text.slice(at, index)));
    parent.appendChild(visible(code));
    at = index + match[0].length;
  }
  if (at < text.length) parent.appendChild(document.createTextNode(text.slice(at)));
}

function visible(code: number): HTMLElement {
  const span = document.createElement("span");
  const hex = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  span.className = "control";
  span.textContent = NAMES[code] ?? hex;
  span.title = `${hex}: a character that is not shown as it is, because it can hide or reorder text`;
  return span;
}

/** An address that may become a link, or null: http and https only. */
export function httpUrl(url: string | null): string | null {
  if (!url) return null;
  try {
    const parsed = new URL(url);
    return parsed.protocol === "https:" || parsed.protocol === "http:" ? parsed.href : null;
  } catch {
    return null;
  }
}

/** A BCP 47 tag for lang="", or undefined: the detector's `und` would only confuse a screen reader. */
export function langAttribute(tag: string): string | undefined {
  return /^[a-zA-Z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(tag) && tag !== "und" ? tag : undefined;
}
