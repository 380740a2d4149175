package main

import (
	"context"
	"database/sql"
	"fmt"
)

// schema is the shop's. Products never get the number of one that was deleted (AUTOINCREMENT): a link means one product
// for ever. An order keeps the name and the price as they were when it was made, and outlives its product; hence no
// foreign key there.
const schema = `
CREATE TABLE categories (
	code TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE products (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	name        TEXT NOT NULL,
	brand       TEXT NOT NULL,
	category    TEXT NOT NULL REFERENCES categories (code),
	price_cents INTEGER NOT NULL CHECK (price_cents >= 0),
	updated_at  TEXT NOT NULL -- RFC 3339, UTC
) STRICT;
CREATE INDEX products_by_brand ON products (brand);
CREATE INDEX products_by_category ON products (category);

CREATE TABLE orders (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	user        TEXT NOT NULL,
	product_id  INTEGER NOT NULL,
	product     TEXT NOT NULL,
	quantity    INTEGER NOT NULL CHECK (quantity > 0),
	price_cents INTEGER NOT NULL,
	ordered_at  TEXT NOT NULL -- RFC 3339, UTC
) STRICT;
CREATE INDEX orders_by_user ON orders (user);
`

// schemaVersion is kept in the file, in the same transaction as the schema.
const schemaVersion = 1

const (
	seededProducts = 200
	seededAt       = "2026-01-15T09:00:00Z"
)

// seed makes schema and products in a file that has none. The writer's lock is held from the first line on, so of
// several processes that start at once on a new file one does it and the others find it done.
func seed(ctx context.Context, tx *sql.Tx) error {
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		return nil
	case 0:
	default:
		return fmt.Errorf("the file has schema %d, this release knows %d", version, schemaVersion)
	}
	if _, err := tx.ExecContext(ctx, schema); err != nil {
		return err
	}
	for _, c := range categories {
		if _, err := tx.ExecContext(ctx, "INSERT INTO categories (code) VALUES (?)", c.code); err != nil {
			return err
		}
	}
	for i := range seededProducts {
		p := seededProduct(i)
		if _, err := tx.ExecContext(ctx, `INSERT INTO products (name, brand, category, price_cents, updated_at)
			VALUES (?, ?, ?, ?, ?)`, p.Name, p.Brand, p.Category, p.PriceCents, p.UpdatedAt); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", schemaVersion))
	return err
}

// Two brands have names that need care in a URL, as real ones do.
var (
	seededBrands = []string{
		"Acme Co/Inc", "Northlight", "Bergmann", "Petit & Fils", "Oslo Works",
		"Kestrel", "Marlow", "100% Linen", "Tanaka", "Veldt",
	}
	seededStyles = []string{"Oak", "Slate", "Copper", "Linen", "Walnut", "Chalk", "Ember"}
	seededNouns  = map[string][]string{
		"lamps":     {"Desk Lamp", "Floor Lamp", "Pendant", "Wall Light", "Lantern"},
		"chairs":    {"Armchair", "Stool", "Rocking Chair", "Bench", "Dining Chair"},
		"tables":    {"Coffee Table", "Side Table", "Dining Table", "Desk", "Console"},
		"shelves":   {"Bookcase", "Wall Shelf", "Ladder Shelf", "Cube", "Spice Rack"},
		"rugs":      {"Runner", "Round Rug", "Kilim", "Doormat", "Hearth Rug"},
		"tableware": {"Bowl", "Teapot", "Carafe", "Plate", "Mug"},
	}
)

// seededProduct returns the product with index i, which will have the number i+1: always the same one, and no name
// twice, so that examples can speak of it.
func seededProduct(i int) product {
	category := categories[i%len(categories)].code
	k := i / len(categories)
	nouns := seededNouns[category]
	return product{
		Name:       seededStyles[k/len(nouns)] + " " + nouns[k%len(nouns)],
		Brand:      seededBrands[i%len(seededBrands)],
		Category:   category,
		PriceCents: int64(990 + i*910%24_000),
		UpdatedAt:  seededAt,
	}
}
