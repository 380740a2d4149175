package main

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/labstack/echo/v4"
)

const (
	maxQuantity = 100
	shownOrders = 100
)

// order is one order, with product and price as they were when it was made.
type order struct {
	ID         int64  `json:"id"`
	ProductID  int64  `json:"product_id"`
	Product    string `json:"product"`
	Quantity   int64  `json:"quantity"`
	PriceCents int64  `json:"price_cents"` // of one
	OrderedAt  string `json:"ordered_at"`  // RFC 3339, UTC
}

type orderInput struct {
	ProductID *int64 `json:"product_id"`
	Quantity  *int64 `json:"quantity"`
}

// listOrders shows the user's last orders. Nothing on the page changes with the catalogue, so orders:{user} is all that
// it needs to be evicted by.
func (s *shop) listOrders(c echo.Context) error {
	orders, err := s.db.orders(c.Request().Context(), userOf(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string][]order{"orders": orders})
}

func (s *shop) createOrder(c echo.Context) error {
	var in orderInput
	if err := decode(c, &in); err != nil {
		return err
	}
	wrong := fieldsError{}
	o := order{Quantity: number(wrong, "quantity", in.Quantity, 1, maxQuantity)}
	if in.ProductID == nil {
		wrong["product_id"] = "is missing"
	} else {
		o.ProductID = *in.ProductID
	}
	if err := wrong.verdict(); err != nil {
		return err
	}
	o, found, err := s.db.createOrder(c.Request().Context(), userOf(c), o)
	switch {
	case err != nil:
		return err
	case !found:
		return fieldsError{"product_id": "is no product's number"}
	}
	return c.JSON(http.StatusCreated, o)
}

// orders returns a user's last orders, the newest first.
func (d *database) orders(ctx context.Context, user string) ([]order, error) {
	orders := []order{}
	err := d.view(ctx, func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT id, product_id, product, quantity, price_cents, ordered_at
			FROM orders WHERE user = ? ORDER BY id DESC LIMIT ?`, user, shownOrders)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o order
			if err := rows.Scan(&o.ID, &o.ProductID, &o.Product, &o.Quantity, &o.PriceCents, &o.OrderedAt); err != nil {
				return err
			}
			orders = append(orders, o)
		}
		return rows.Err()
	})
	return orders, err
}

// createOrder orders a product at its price of this moment. It returns false if there is no such product.
func (d *database) createOrder(ctx context.Context, user string, o order) (order, bool, error) {
	found := false
	err := d.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		p, ok, err := findProduct(ctx, tx, o.ProductID)
		if found = ok; err != nil || !ok {
			return err
		}
		o.Product, o.PriceCents, o.OrderedAt = p.Name, p.PriceCents, now()
		result, err := tx.ExecContext(ctx, `INSERT INTO orders (user, product_id, product, quantity, price_cents, ordered_at)
			VALUES (?, ?, ?, ?, ?, ?)`, user, o.ProductID, o.Product, o.Quantity, o.PriceCents, o.OrderedAt)
		if err != nil {
			return err
		}
		o.ID, err = result.LastInsertId()
		return err
	})
	return o, found, err
}
