package main

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/labstack/echo/v4"
)

const (
	maxName  = 200         // bytes; a brand's name is part of a tag, which may have 256
	maxPrice = 100_000_000 // cents
)

// productInput is the body of POST and PUT. A pointer tells what is missing from what is zero.
type productInput struct {
	ID         *int64  `json:"id"` // a product may be sent back as it was got
	Name       *string `json:"name"`
	Brand      *string `json:"brand"`
	Category   *string `json:"category"`
	PriceCents *int64  `json:"price_cents"`
	UpdatedAt  *string `json:"updated_at"` // the same; ignored
}

// readProduct reads and judges a product. id is its number, or 0 for one that has none yet.
func readProduct(c echo.Context, id int64) (product, error) {
	var in productInput
	if err := decode(c, &in); err != nil {
		return product{}, err
	}
	wrong := fieldsError{}
	switch {
	case in.ID == nil:
	case id == 0:
		wrong["id"] = "is the shop's to choose"
	case *in.ID != id:
		wrong["id"] = "is not the number in the path"
	}
	p := product{
		Name:       text(wrong, "name", in.Name),
		Brand:      text(wrong, "brand", in.Brand),
		Category:   text(wrong, "category", in.Category),
		PriceCents: number(wrong, "price_cents", in.PriceCents, 0, maxPrice),
	}
	if wrong["category"] == "" {
		checkCategory(wrong, p.Category)
	}
	return p, wrong.verdict()
}

// text returns a field that must be there and fit for people.
func text(wrong fieldsError, name string, value *string) string {
	switch {
	case value == nil || *value == "":
		wrong[name] = "is missing"
	case len(*value) > maxName:
		wrong[name] = fmt.Sprintf("has %d bytes, more than %d", len(*value), maxName)
	case strings.TrimSpace(*value) != *value || strings.ContainsFunc(*value, unicode.IsControl):
		wrong[name] = "must have no control characters, and no space at its ends"
	default:
		return *value
	}
	return ""
}

// number returns a field that must be there and within its bounds.
func number(wrong fieldsError, name string, value *int64, low, high int64) int64 {
	switch {
	case value == nil:
		wrong[name] = "is missing"
	case *value < low || *value > high:
		wrong[name] = fmt.Sprintf("must be from %d to %d", low, high)
	default:
		return *value
	}
	return 0
}

func checkCategory(wrong fieldsError, code string) {
	if indexOfCategory(code) >= 0 {
		return
	}
	codes := make([]string, len(categories))
	for i, c := range categories {
		codes[i] = c.code
	}
	wrong["category"] = "must be one of " + strings.Join(codes, ", ")
}
