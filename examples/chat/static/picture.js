// Pictures: made small enough to send, shown from memory, fetched when they come into view.

import { $ } from "./dom.js";

const budget = 380_000; // bytes; the server takes 512 KiB, and base64 over polling adds a third
const attempts = [
  [1600, 0.85],
  [1280, 0.8],
  [1024, 0.75],
  [800, 0.7],
  [640, 0.6],
  [480, 0.5],
];

// shrink makes of a file the user chose what is sent: { data, type, width, height, url, still }. Drawing it anew also
// leaves out where and when a photo was taken, which is in most of them.
export async function shrink(file) {
  if (file.type && !file.type.startsWith("image/")) throw new Error("That is not a picture.");
  const source = await decode(file);
  try {
    if (file.type === "image/gif" && file.size <= budget && Math.max(source.width, source.height) <= 2000) {
      return await finish(file, source.width, source.height); // as it is: it may move
    }
    for (const [edge, quality] of attempts) {
      const scale = Math.min(1, edge / Math.max(source.width, source.height));
      const width = Math.max(1, Math.round(source.width * scale));
      const height = Math.max(1, Math.round(source.height * scale));
      for (const type of file.type === "image/jpeg" ? ["image/jpeg"] : ["image/webp", "image/jpeg"]) {
        const blob = await draw(source, width, height, type, quality);
        if (blob && blob.size <= budget) return await finish(blob, width, height);
      }
    }
  } finally {
    source.close?.();
  }
  throw new Error("That picture can’t be made small enough.");
}

async function decode(file) {
  try {
    if (window.createImageBitmap) return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    // SVG, and some browsers' formats: an element may do better
  }
  const url = URL.createObjectURL(file);
  try {
    const img = new Image();
    img.src = url;
    await img.decode();
    if (!img.width || !img.height) throw new Error("no size");
    return img;
  } catch {
    throw new Error("This browser can’t read that picture.");
  } finally {
    URL.revokeObjectURL(url);
  }
}

function draw(source, width, height, type, quality) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const c = canvas.getContext("2d");
  if (type === "image/jpeg") {
    c.fillStyle = "#fff";
    c.fillRect(0, 0, width, height);
  }
  c.imageSmoothingQuality = "high";
  c.drawImage(source, 0, 0, width, height);
  return new Promise((resolve) => canvas.toBlob(resolve, type, quality));
}

async function finish(blob, width, height) {
  return { data: await blob.arrayBuffer(), type: blob.type, width, height, size: blob.size, url: URL.createObjectURL(blob) };
}

export function urlOf(picture, data) {
  return URL.createObjectURL(new Blob([data], { type: picture.type }));
}

export function sizeText(bytes) {
  return bytes < 1000 ? bytes + " bytes" : bytes < 1e6 ? Math.round(bytes / 1000) + " KB" : (bytes / 1e6).toFixed(1) + " MB";
}

// enlarge shows a picture over everything.
export function enlarge(url, text) {
  $("lightbox-img").src = url;
  $("lightbox-img").alt = text;
  $("lightbox-text").textContent = text;
  $("lightbox").showModal();
}

export function setUpLightbox() {
  const box = $("lightbox");
  box.addEventListener("click", (e) => {
    if (e.target === box || e.target === $("lightbox-img")) box.close();
  });
  box.addEventListener("close", () => $("lightbox-img").removeAttribute("src"));
}
