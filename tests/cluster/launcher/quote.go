package main

import "strings"

// shellQuote makes one word of a POSIX shell out of text.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
