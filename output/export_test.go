package output

// SetYield has f called at the points where a test wants to let others run: "look-up", "fill", "seal", "store".
func (c *Cache) SetYield(f func(point string)) { c.yield = f }
