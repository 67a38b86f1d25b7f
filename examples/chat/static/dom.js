// What the page's parts share: finding and making elements, icons, faces, storage that may be forbidden.

export const $ = (id) => document.getElementById(id);

// el makes an element. Text only ever goes in as text.
export function el(tag, attrs = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) {
    if (v === undefined || v === null || v === false) continue;
    if (k === "class") e.className = v;
    else if (k === "text") e.textContent = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

// The icons are paths on a 24 by 24 grid, drawn as lines.
const paths = {
  menu: "M4 7h16M4 12h16M4 17h10",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  pencil: "M4 20l1-4L16.500 4.500a2.100 2.100 0 0 1 3 3L8 19l-4 1z",
  link: "M10 14a4 4 0 0 0 5.700 0l3-3A4 4 0 0 0 13 5.300l-1 1M14 10a4 4 0 0 0-5.700 0l-3 3A4 4 0 0 0 11 18.700l1-1",
  leave: "M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4 4-4 4M19 12H9",
  image: "M5 4h14a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1zM4 16l4.500-4.500 4 4L15 13l5 5M15.500 8.500h.01",
  send: "M5 12l-1-8 17 8-17 8 1-8zM5 12h8",
  down: "M6 10l6 6 6-6",
  pending: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 8v4.500l3 1.500",
  sent: "M5 12.500l4.500 4.500L19 7.500",
  seen: "M2.500 12.500L7 17l9.500-9.500M11.500 16.500l.5.5L21.500 7.500",
  failed: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 8v5M12 16h.01",
};

export function icon(name, label) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "i i-" + name);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
    const title = document.createElementNS(ns, "title");
    title.textContent = label;
    svg.append(title);
  } else {
    svg.setAttribute("aria-hidden", "true");
  }
  const path = document.createElementNS(ns, "path");
  path.setAttribute("d", paths[name]);
  svg.append(path);
  return svg;
}

// graphemes cuts text where a reader would: an emoji of several code points is one.
const segmenter = globalThis.Intl?.Segmenter ? new Intl.Segmenter() : null;
export function graphemes(s) {
  return segmenter ? Array.from(segmenter.segment(s), (g) => g.segment) : Array.from(s);
}

function initials(name) {
  const words = name.split(/[\s_.-]+/).filter(Boolean);
  const first = graphemes(words[0] ?? "?");
  if (words.length < 2) return first[0].toLocaleUpperCase();
  return (first[0] + graphemes(words[words.length - 1])[0]).toLocaleUpperCase();
}

// tone picks one of the twelve colours of the style sheet, always the same for the same person.
export function tone(person) {
  let h = 2166136261;
  for (const c of person.id) h = Math.imul(h ^ c.charCodeAt(0), 16777619);
  return String(((h ^ (h >>> 15)) >>> 0) % 12);
}

export function paintAvatar(e, person) {
  e.textContent = initials(person.name);
  e.dataset.tone = tone(person);
}

export function avatar(person, attrs = {}) {
  const e = el("span", { class: "avatar", "aria-hidden": "true", ...attrs });
  paintAvatar(e, person);
  return e;
}

let toastSerial = 0;
export function toast(text, kind = "") {
  const box = $("toasts");
  const e = el("p", { class: "toast " + kind, id: "toast-" + ++toastSerial, text });
  box.append(e);
  while (box.children.length > 3) box.firstChild.remove();
  setTimeout(() => e.remove(), 5000);
}

// Storage may be switched off altogether: then the page forgets, and works.
function guarded(area) {
  return {
    get(key) {
      try {
        return window[area].getItem("sio-chat." + key);
      } catch {
        return null;
      }
    },
    set(key, value) {
      try {
        window[area].setItem("sio-chat." + key, value);
      } catch {
        // nothing to be done about it
      }
    },
  };
}
export const remembered = guarded("localStorage"); // by the browser
export const session = guarded("sessionStorage"); // by this tab

// randomId makes ids where crypto.randomUUID does not exist: pages over plain HTTP from another machine.
export function randomId() {
  const b = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...b)).replaceAll("+", "-").replaceAll("/", "_");
}
