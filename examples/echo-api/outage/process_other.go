//go:build !unix

package main

import (
	"errors"
	"os"
)

var errNoSignals = errors.New("this system has no signals that pause a process: run it on a Unix")

func suspend(*os.Process) error { return errNoSignals }
func proceed(*os.Process) error { return errNoSignals }
func ask(*os.Process) error     { return errNoSignals }
