package catalog

import "unicode/utf8"

// checkText refuses free text that some store could not keep: more than maxText bytes,
// no UTF-8, or a zero byte. The subject begins the error's text.
func checkText(subject string, texts ...string) error {
	for _, t := range texts {
		if len(t) > maxText {
			return invalid("%s: text %.40q… of %d bytes, more than %d", subject, t, len(t), maxText)
		}
		if !utf8.ValidString(t) || !printable(t) {
			return invalid("%s: text %.80q is not UTF-8, or holds a zero byte", subject, t)
		}
	}
	return nil
}

func printable(s string) bool {
	return allOf(s, func(c byte) bool { return c != 0 })
}
