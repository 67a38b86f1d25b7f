package chat

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"slices"
	"testing"
)

// encoded returns a picture of that size in each format the standard library writes.
func encoded(width, height int) map[string][]byte {
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.Black, color.White})
	var g, j, p bytes.Buffer
	gif.Encode(&g, img, nil)
	jpeg.Encode(&j, img, nil)
	png.Encode(&p, img)
	return map[string][]byte{"image/gif": g.Bytes(), "image/jpeg": j.Bytes(), "image/png": p.Bytes()}
}

var gifPixel = encoded(1, 1)["image/gif"]

// The smallest WebP pictures, one of each form: lossy, lossless, extended.
var webPs = []string{
	"UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA",
	"UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==",
	"UklGRkoAAABXRUJQVlA4WAoAAAAQAAAAAAAAAAAAQUxQSAwAAAARBxAR/Q9ERP8DAABWUDggGAAAABQBAJ0BKgEAAQAAAP4AAA3AAP7mtQAAAA==",
}

func TestInspect(t *testing.T) {
	for kind, data := range encoded(321, 123) {
		p, err := inspect(data)
		if err != nil || p.Type != kind || p.Width != 321 || p.Height != 123 || p.Size != len(data) {
			t.Errorf("%s: got %+v, %v", kind, p, err)
		}
		if _, err := inspect(data[:12]); err == nil {
			t.Errorf("%s: twelve bytes of it are accepted", kind)
		}
	}
	for kind, data := range encoded(maxEdge+1, 1) {
		_, err := inspect(data)
		refused(t, err, "4096")
		if p, err := inspect(encoded(maxEdge, 1)[kind]); err != nil {
			t.Errorf("%s: got %+v, %v", kind, p, err)
		}
	}
	for name, data := range map[string][]byte{
		"nothing": {}, "text": []byte("hello"), "svg": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`),
		"html": []byte("<!doctype html><script>"), "bmp": append([]byte("BM"), make([]byte, 100)...),
	} {
		if p, err := inspect(data); err == nil {
			t.Errorf("%s: got %+v", name, p)
		}
	}
	large := append(slices.Clone(gifPixel), make([]byte, maxPicture)...)
	_, err := inspect(large)
	refused(t, err, "512 KiB")
}

func TestInspectWebP(t *testing.T) {
	for i, s := range webPs {
		data, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		p, err := inspect(data)
		if err != nil || p.Type != "image/webp" || p.Width != 1 || p.Height != 1 {
			t.Errorf("form %d: got %+v, %v", i, p, err)
		}
		for n := range 30 {
			if p, err := inspect(data[:n]); err == nil {
				t.Errorf("form %d: got %+v of %d bytes", i, p, n)
			}
		}
		// The same with other sizes written in.
		switch i {
		case 0:
			data[26], data[27], data[28], data[29] = 0x34, 0xc2, 0x78, 0x01 // the two highest bits are a scale
		case 1:
			n := uint32(0x233 | 0x177<<14)
			data[21], data[22], data[23], data[24] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
		case 2:
			data[24], data[25], data[27], data[28] = 0x33, 0x02, 0x77, 0x01
		}
		if p, err := inspect(data); err != nil || p.Width != 0x234 || p.Height != 0x178 {
			t.Errorf("form %d: got %+v, %v, want 564 by 376", i, p, err)
		}
		copy(data[12:], "VP8?")
		if p, err := inspect(data); err == nil {
			t.Errorf("form %d: got %+v of an unknown chunk", i, p)
		}
	}
}
