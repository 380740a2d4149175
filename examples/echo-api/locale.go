package main

import (
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/language"
)

// category is a group of products. The code is what the database and the API's inputs know; the names are for people.
type category struct {
	code  string
	names [3]string // in the order of languages
}

var categories = []category{
	{"lamps", [3]string{"Lamps", "Leuchten", "Luminaires"}},
	{"chairs", [3]string{"Chairs", "Stühle", "Chaises"}},
	{"tables", [3]string{"Tables", "Tische", "Tables"}},
	{"shelves", [3]string{"Shelves", "Regale", "Étagères"}},
	{"rugs", [3]string{"Rugs", "Teppiche", "Tapis"}},
	{"tableware", [3]string{"Tableware", "Geschirr", "Vaisselle"}},
}

// languages are those the shop speaks. The first one is for everybody else.
var (
	languages = []language.Tag{language.English, language.German, language.French}
	matcher   = language.NewMatcher(languages)
)

const (
	acceptLanguage  = "Accept-Language"
	contentLanguage = "Content-Language"
)

// preferred returns the index of the language that suits Accept-Language best (RFC 9110, section 12.5.4), given as its
// lines.
func preferred(lines []string) int {
	_, index := language.MatchStrings(matcher, strings.Join(lines, ","))
	return index
}

// negotiate replaces Accept-Language by the one language that it comes to. The page varies on this header, and browsers
// spell it in hundreds of ways: mounted outside the cache, it makes three pages out of hundreds, and nobody can fill
// the cache with spellings of his own.
func negotiate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		header := c.Request().Header
		header.Set(acceptLanguage, languages[preferred(header.Values(acceptLanguage))].String())
		return next(c)
	}
}

// speak says in which language the answer is and that another request may get another one, and returns its index.
func speak(c echo.Context) int {
	index := preferred(c.Request().Header.Values(acceptLanguage))
	header := c.Response().Header()
	header.Set(contentLanguage, languages[index].String())
	header.Add(echo.HeaderVary, acceptLanguage) // not Set: Vary may already name what others look at
	return index
}

// categoryName returns the name of a category in a language.
func categoryName(code string, lang int) string {
	if i := indexOfCategory(code); i >= 0 {
		return categories[i].names[lang]
	}
	return code
}

// indexOfCategory returns -1 if there is no category of this code.
func indexOfCategory(code string) int {
	return slices.IndexFunc(categories, func(c category) bool { return c.code == code })
}
