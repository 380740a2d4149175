package main

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

const productColumns = "id, name, brand, category, price_cents, updated_at"

func (p *product) scan(row interface{ Scan(...any) error }) error {
	return row.Scan(&p.ID, &p.Name, &p.Brand, &p.Category, &p.PriceCents, &p.UpdatedAt)
}

// product returns a product, and whether there is one of this number.
func (d *database) product(ctx context.Context, id int64) (p product, found bool, err error) {
	err = d.view(ctx, func(ctx context.Context, tx *sql.Tx) error {
		p, found, err = findProduct(ctx, tx, id)
		return err
	})
	return p, found, err
}

func findProduct(ctx context.Context, tx *sql.Tx, id int64) (p product, found bool, err error) {
	err = p.scan(tx.QueryRowContext(ctx, "SELECT "+productColumns+" FROM products WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return product{}, false, nil
	}
	return p, err == nil, err
}

// products returns the rows of a query for productColumns.
func products(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]product, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	ps := []product{} // an empty list is [] in JSON, not null
	for rows.Next() {
		var p product
		if err := p.scan(rows); err != nil {
			return nil, err
		}
		ps = append(ps, p)
	}
	return ps, rows.Err()
}

// createProduct returns the new product. It has a number even if only the end of the transaction failed.
func (d *database) createProduct(ctx context.Context, p product) (product, error) {
	p.UpdatedAt = now()
	err := d.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO products (name, brand, category, price_cents, updated_at)
			VALUES (?, ?, ?, ?, ?)`, p.Name, p.Brand, p.Category, p.PriceCents, p.UpdatedAt)
		if err != nil {
			return err
		}
		p.ID, err = result.LastInsertId()
		return err
	})
	return p, err
}

// updateProduct replaces a product and returns it as it was and as it is. Both are read and written in one transaction:
// what is evicted is what was replaced, whoever else writes at the same time. If the product was read before an error,
// old is given with it; a product that does not exist is no error, and old is empty.
func (d *database) updateProduct(ctx context.Context, id int64, p product) (old, replaced product, err error) {
	p.ID, p.UpdatedAt = id, now()
	err = d.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var found bool
		if old, found, err = findProduct(ctx, tx, id); err != nil || !found {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE products SET name = ?, brand = ?, category = ?, price_cents = ?, updated_at = ?
			WHERE id = ?`, p.Name, p.Brand, p.Category, p.PriceCents, p.UpdatedAt, id)
		return err
	})
	return old, p, err
}

// deleteProduct returns the product as it was, as updateProduct does.
func (d *database) deleteProduct(ctx context.Context, id int64) (old product, err error) {
	err = d.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		var found bool
		if old, found, err = findProduct(ctx, tx, id); err != nil || !found {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM products WHERE id = ?", id)
		return err
	})
	return old, err
}

// now is the time as the database keeps it and the API shows it.
func now() string { return time.Now().UTC().Format(time.RFC3339) }
