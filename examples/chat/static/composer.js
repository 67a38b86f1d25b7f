// Composer is where one writes: a text that grows with its lines, and a picture to go with it.

import { $, toast } from "./dom.js";
import { shrink, sizeText } from "./picture.js";

const maxText = 2000; // the server's limit

export class Composer {
  // hooks: open() tells whether there is a room to write to; submit(text, picture) sends, and tells whether it did;
  // typing(on) is called as the user writes.
  constructor(hooks) {
    this.hooks = hooks;
    this.input = $("message");
    this.picture = null;
    this.setUp();
    this.fit();
  }

  focus() {
    this.input.focus();
  }

  // fit makes the field as high as its text, and the rest of the form follow it.
  fit() {
    const input = this.input;
    input.style.height = "auto";
    input.style.height = Math.min(input.scrollHeight, 160) + "px";
    $("send").disabled = !input.value.trim() && !this.picture;
    const left = maxText - input.value.length;
    $("counter").hidden = left > 200;
    $("counter").textContent = left <= 200 ? left + " characters left" : "";
  }

  send() {
    const text = this.input.value.trim();
    if (!text && !this.picture) return;
    if (!this.hooks.submit(text, this.picture)) return;
    this.picture = null;
    this.input.value = "";
    this.paintPreview();
    this.focus();
  }

  async attach(file) {
    if (!file || !this.hooks.open()) return;
    try {
      const picture = await shrink(file);
      if (this.picture) URL.revokeObjectURL(this.picture.url);
      this.picture = picture;
    } catch (err) {
      toast(err.message, "bad");
      return;
    }
    this.paintPreview();
    if (!matchMedia("(pointer: coarse)").matches) this.focus();
  }

  paintPreview() {
    const p = this.picture;
    $("preview").hidden = !p;
    if (p) {
      $("preview-img").src = p.url;
      $("preview-text").textContent = p.width + " × " + p.height + " · " + sizeText(p.size);
    } else {
      $("preview-img").removeAttribute("src");
    }
    this.fit();
  }

  setUp() {
    const input = this.input;
    $("composer").addEventListener("submit", (e) => {
      e.preventDefault();
      this.send();
    });
    input.addEventListener("input", () => {
      this.fit();
      this.hooks.typing(input.value.trim() !== "");
    });
    input.addEventListener("keydown", (e) => {
      if (e.key !== "Enter" || e.shiftKey || e.isComposing || e.keyCode === 229) return;
      e.preventDefault();
      this.send();
    });
    input.addEventListener("paste", (e) => {
      const file = [...(e.clipboardData?.files ?? [])].find((f) => f.type.startsWith("image/"));
      if (!file) return;
      e.preventDefault();
      this.attach(file);
    });
    $("attach").addEventListener("change", async () => {
      await this.attach($("attach").files[0]);
      $("attach").value = ""; // so that the same file can be chosen again
    });
    $("preview-drop").addEventListener("click", () => {
      URL.revokeObjectURL(this.picture.url);
      this.picture = null;
      this.paintPreview();
      this.focus();
    });
    this.setUpDrop();
  }

  setUpDrop() {
    const zone = $("drop");
    const carriesFiles = (e) => [...(e.dataTransfer?.types ?? [])].includes("Files");
    addEventListener("dragover", (e) => {
      if (!carriesFiles(e)) return;
      e.preventDefault();
      zone.classList.toggle("over", this.hooks.open());
    });
    addEventListener("dragleave", (e) => e.relatedTarget === null && zone.classList.remove("over"));
    addEventListener("drop", (e) => {
      zone.classList.remove("over");
      if (!carriesFiles(e)) return;
      e.preventDefault();
      this.attach(e.dataTransfer.files[0]);
    });
  }
}
