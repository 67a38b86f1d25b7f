// Package work counts what hostile input costs the decoders, in statements that run and bytes that are allocated per
// byte of input, which no machine is too slow for: docs/hostile-input.md has the table.
package work
