package main

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

const (
	pageSize = 20
	maxPage  = 1_000_000 // far beyond any shop, and far from where a multiplication overflows
)

// orderings are the values of the query parameter sort. The number decides between equals, so that no product is on
// two pages or on none.
var orderings = map[string]string{
	"":       "id",
	"id":     "id",
	"name":   "name COLLATE NOCASE, id",
	"price":  "price_cents, id",
	"-price": "price_cents DESC, id",
}

// listQuery is what GET /products was asked. It reads the parameters that the route's policy varies on, and no others.
type listQuery struct {
	category string // "": all
	page     int64
	order    string
}

func readListQuery(c echo.Context) (listQuery, error) {
	wrong := fieldsError{}
	q := listQuery{category: c.QueryParam("category"), page: 1}
	if q.category != "" {
		checkCategory(wrong, q.category)
	}
	if text := c.QueryParam("page"); text != "" {
		n, ok := parseID(text)
		if !ok || n > maxPage {
			wrong["page"] = "must be a number from 1 on"
		}
		q.page = n
	}
	order, ok := orderings[c.QueryParam("sort")]
	if !ok {
		wrong["sort"] = "must be one of id, name, price, -price"
	}
	q.order = order
	return q, wrong.verdict()
}

// listedProduct is a product in the list, with the category's name in the reader's language.
type listedProduct struct {
	product

	CategoryName string `json:"category_name"`
}

type productList struct {
	Page     int64           `json:"page"`
	Pages    int64           `json:"pages"`
	Total    int64           `json:"total"`
	Products []listedProduct `json:"products"`
}

// listProducts shows a page of the catalogue. It carries the one tag catalog and none of its products': any product
// that comes, goes or changes may move all the others from page to page.
func (s *shop) listProducts(c echo.Context) error {
	q, err := readListQuery(c)
	if err != nil {
		return err
	}
	page, err := s.listing(c, q)
	if err != nil {
		return err
	}
	found, err := s.products(c, page.IDs)
	if err != nil {
		return err
	}
	lang := speak(c)
	list := productList{
		Page: q.page, Pages: max(1, (page.Total+pageSize-1)/pageSize), Total: page.Total,
		Products: []listedProduct{}, // an empty list is [] in JSON, not null
	}
	for _, id := range page.IDs {
		if p, ok := found[id]; ok { // else it was deleted since the numbers were read
			list.Products = append(list.Products, listedProduct{p, categoryName(p.Category, lang)})
		}
	}
	return c.JSON(http.StatusOK, list)
}
