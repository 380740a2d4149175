package store

// SetYield has f called at the points where a test wants to let others run: "look-up", "load", "seal", "store", and
// with CollapseFleet "fleet" after the wait and "fleet found" before what was found is handed out.
func (s *Store) SetYield(f func(point string)) { s.yield = f }

// Full returns the key of a value at the backend.
func (s *Store) Full(key string) string { return s.full(key) }
