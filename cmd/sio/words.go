package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFile is how large a file may be that is sent as an argument. Servers take a MB, unless they are told otherwise.
const maxFile = 64 << 20

// A word is one part of a line that somebody typed.
type word struct {
	text  string // what it says, without quotes
	value any    // what it is as an argument; json.RawMessage keeps JSON as it was typed
	file  string // whose bytes it is as an argument
	plain bool   // it was not quoted, so it may be a command or the mark at the end
}

// parseLine splits a line into words. A word is
//
//   - JSON where it begins with {, [ or ", which may contain spaces,
//   - a string where it is in single quotes,
//   - a number, true, false or null where it looks like one,
//   - the bytes of a file where it begins with @,
//   - and a string otherwise.
func parseLine(line string) ([]word, error) {
	var words []word
	for {
		line = strings.TrimLeftFunc(line, unicode.IsSpace)
		if line == "" {
			return words, nil
		}
		w, n, err := parseWord(line)
		if err != nil {
			return nil, err
		}
		if r, _ := utf8.DecodeRuneInString(line[n:]); n < len(line) && !unicode.IsSpace(r) {
			return nil, fmt.Errorf("a space is missing after %s", quote(cutText(line[:n], 40)))
		}
		words, line = append(words, w), line[n:]
	}
}

// parseWord parses the word that line begins with, and returns its length.
func parseWord(line string) (word, int, error) {
	switch line[0] {
	case '{', '[', '"':
		return parseJSON(line)
	case '\'':
		text, _, ok := strings.Cut(line[1:], "'")
		if !ok {
			return word{}, 0, errors.New("a closing ' is missing")
		}
		return word{text: text, value: text}, len(text) + 2, nil
	}
	n := strings.IndexFunc(line, unicode.IsSpace)
	if n < 0 {
		n = len(line)
	}
	return bareWord(line[:n]), n, nil
}

func parseJSON(line string) (word, int, error) {
	dec := json.NewDecoder(strings.NewReader(line))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return word{}, 0, jsonError(line, err)
	}
	w, err := jsonWord(raw)
	return w, int(dec.InputOffset()), err
}

// jsonError says what is wrong with text that begins like JSON.
func jsonError(text string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("this JSON is not complete: %s", quote(cutText(text, 40)))
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Offset > 0 && int(syntax.Offset) <= len(text) {
		return fmt.Errorf("this is not JSON: %s (%s)", quote(cutText(text[syntax.Offset-1:], 20)), err)
	}
	return fmt.Errorf("this is not JSON: %w", err)
}

// jsonWord is the word of a JSON value.
func jsonWord(raw json.RawMessage) (word, error) {
	w := word{text: string(raw), value: raw}
	if raw[0] == '"' {
		_ = json.Unmarshal(raw, &w.text) // it has just been decoded
	}
	if bytes.Contains(raw, []byte(binaryKey)) {
		var v any
		dec := json.NewDecoder(bytes.NewReader(raw))
		if err := dec.Decode(&v); err != nil {
			return w, fmt.Errorf("this is not JSON: %w", err)
		}
		var err error
		if w.value, err = withBinary(v); err != nil {
			return w, err
		}
	}
	return w, nil
}

// bareWord is a word without quotes.
func bareWord(text string) word {
	w := word{text: text, value: text, plain: true}
	switch {
	case len(text) > 1 && text[0] == '@':
		w.file = text[1:]
	case isScalar(text):
		w.value = json.RawMessage(text)
	}
	return w
}

// isScalar reports whether text is a number, true, false or null of JSON.
func isScalar(text string) bool {
	switch {
	case text == "":
		return false
	case text[0] == '-', text[0] >= '0' && text[0] <= '9':
		return json.Valid([]byte(text))
	}
	return text == "true" || text == "false" || text == "null"
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s is larger than %s", name, byteCount(maxFile))
	}
	return data, nil
}

// parseArg is an argument of a command line, where the shell has split the words: JSON, @file, or a string. @- is
// stdin.
func parseArg(arg string, stdin io.Reader) (any, error) {
	if arg == "@-" {
		data, err := io.ReadAll(io.LimitReader(stdin, maxFile+1))
		if err == nil && len(data) > maxFile {
			err = fmt.Errorf("stdin holds more than %s", byteCount(maxFile))
		}
		return data, err
	}
	if text := strings.TrimSpace(arg); text != "" && strings.IndexByte(`{["`, text[0]) >= 0 {
		if !json.Valid([]byte(text)) {
			var raw json.RawMessage
			err := json.Unmarshal([]byte(text), &raw)
			return nil, fmt.Errorf("%w; a string like this goes in double quotes within those of the shell",
				jsonError(text, err))
		}
		w, err := jsonWord(json.RawMessage(text))
		return w.value, err
	}
	out, err := values([]word{bareWord(arg)})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// values are the arguments that words stand for. It reads their files.
func values(words []word) ([]any, error) {
	out := make([]any, len(words))
	for i, w := range words {
		out[i] = w.value
		if w.file != "" {
			data, err := readFile(w.file)
			if err != nil {
				return nil, err
			}
			out[i] = data
		}
	}
	return out, nil
}

// binaryKey is the only key of an object that stands for bytes, in JSON that is typed and in that of --json:
// {"$bin": base64}.
const binaryKey = "$bin"

// withBinary returns v, which was decoded from JSON, with bytes for the objects that stand for them.
func withBinary(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		for i, e := range v {
			var err error
			if v[i], err = withBinary(e); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if text, ok := v[binaryKey].(string); ok && len(v) == 1 {
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, fmt.Errorf("%s does not hold base64", binaryKey)
			}
			return data, nil
		}
		for k, e := range v {
			var err error
			if v[k], err = withBinary(e); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// plainJSON is the opposite, for output.
func plainJSON(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]any{binaryKey: base64.StdEncoding.EncodeToString(v)}
	case []any:
		for i, e := range v {
			v[i] = plainJSON(e)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = plainJSON(e)
		}
	case float64:
		return finite(v)
	}
	return v
}
