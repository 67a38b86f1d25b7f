// The rooms and people beside the room, which are a drawer on a narrow screen; and the dialogs.

import { $ } from "./dom.js";

export const narrow = matchMedia("(max-width: 760px)");

function openDrawer() {
  $("chat").classList.add("drawer");
  $("scrim").hidden = false;
  $("drawer-open").setAttribute("aria-expanded", "true");
  paintInert();
  $("drawer-close").focus();
}

export function closeDrawer() {
  if (!$("chat").classList.contains("drawer")) return;
  $("chat").classList.remove("drawer");
  $("scrim").hidden = true;
  $("drawer-open").setAttribute("aria-expanded", "false");
  paintInert();
  $("drawer-open").focus();
}

// A closed drawer is out of reach of the keyboard, and so is the room behind an open one.
function paintInert() {
  const open = $("chat").classList.contains("drawer");
  $("side").inert = narrow.matches && !open;
  document.querySelector(".room").inert = narrow.matches && open;
}

export function setUpMenu() {
  narrow.addEventListener("change", () => {
    closeDrawer();
    paintInert();
  });
  $("drawer-open").addEventListener("click", openDrawer);
  $("drawer-close").addEventListener("click", closeDrawer);
  $("scrim").addEventListener("click", closeDrawer);
  $("rooms").addEventListener("click", (e) => e.target.closest("a") && closeDrawer());
  addEventListener("keydown", (e) => e.key === "Escape" && closeDrawer());
  for (const b of document.querySelectorAll("[data-close]")) b.addEventListener("click", () => b.closest("dialog").close());
  for (const d of document.querySelectorAll("dialog.sheet")) d.addEventListener("click", (e) => e.target === d && d.close());
  paintInert();
}

// setUpDialog returns what shows a dialog with one field. accept gets what is in the field, and may throw: the dialog then stays open, with
// the error's message.
export function setUpDialog(dialog, accept) {
  const input = dialog.querySelector("input");
  const error = dialog.querySelector(".field-error");
  dialog.querySelector("form").addEventListener("submit", async (e) => {
    e.preventDefault();
    try {
      await accept(input.value);
      dialog.close();
    } catch (err) {
      error.textContent = err.message;
    }
  });
  return function show(value) {
    input.value = value;
    error.textContent = "";
    dialog.showModal();
    input.select();
  };
}
