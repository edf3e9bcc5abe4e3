package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// run runs a program to its end; what it printed is part of the error.
func run(ctx context.Context, program string, args ...string) error {
	return runWithInput(ctx, "", program, args...)
}

func runWithInput(ctx context.Context, input, program string, args ...string) error {
	command := exec.CommandContext(ctx, program, args...)
	command.Stdin = strings.NewReader(input)
	output, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(append([]string{program}, args...), " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}
