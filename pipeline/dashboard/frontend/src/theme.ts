/** Light, dark, or what the system says. */

type Choice = "auto" | "light" | "dark";
const ORDER: readonly Choice[] = ["auto", "light", "dark"];
const SIGN: Record<Choice, string> = { auto: "\u25d0", light: "\u25cb", dark: "\u25cf" };
const KEY = "babelwatch-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners: (() => void)[] = [];

let choice: Choice = load();

function load(): Choice {
  try {
    const kept = localStorage.getItem(KEY);
    return ORDER.find((one) => one === kept) ?? "auto";
  } catch {
    return "auto";
  }
}

function apply(): void {
  const dark = choice === "dark" || (choice === "auto" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  for (const listener of listeners) listener();
}

export function onTheme(listener: () => void): void {
  listeners.push(listener);
}

/** The value of a custom property of style.css. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function startTheme(button: HTMLElement): void {
  const label = (): void => {
    button.textContent = SIGN[choice];
    button.setAttribute("aria-label", `Colours: ${choice}. Change`);
    button.title = `Colours: ${choice}`;
  };
  button.addEventListener("click", () => {
    choice = ORDER[(ORDER.indexOf(choice) + 1) % ORDER.length] ?? "auto";
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // a browser that keeps nothing still changes over
    }
    label();
    apply();
  });
  system.addEventListener("change", apply);
  label();
  apply();
}
