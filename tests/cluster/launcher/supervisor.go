package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// supervisor starts the components of one run directory and notices when one dies. It restarts nothing: a component that
// dies is a failure to be seen.
type supervisor struct {
	dir runDir
	// tied components are killed by the kernel when the launcher ends, however it ends.
	tied       bool
	components []*component
	deaths     chan *component
}

type component struct {
	name   string
	pid    int
	log    string
	exited chan struct{}
	state  *os.ProcessState // valid once exited is closed
}

// componentDied is the failure of a component, with the end of its log.
type componentDied struct {
	name, log, state, lastLines string
}

func (e *componentDied) Error() string {
	return fmt.Sprintf("%s ended (%s); the last lines of %s:\n%s", e.name, e.state, e.log, e.lastLines)
}

func newSupervisor(dir runDir, tied bool) *supervisor {
	return &supervisor{dir: dir, tied: tied, deaths: make(chan *component, 16)}
}

// start runs a program in the background, in a session of its own so that a Ctrl-C meant for the launcher does not reach
// it. It must be called on the main goroutine (see init).
func (s *supervisor) start(name string, environment []string, program string, args ...string) error {
	log := s.dir.logFile(name)
	for _, directory := range []string{filepath.Dir(log), filepath.Dir(s.dir.pidFile(name))} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
	}
	output, err := os.Create(log)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	defer output.Close()
	command := exec.Command(program, args...)
	command.Dir = string(s.dir)
	command.Env = append(append(os.Environ(), environment...), ownerVariable+"="+string(s.dir))
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if s.tied {
		command.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	c := &component{name: name, pid: command.Process.Pid, log: log, exited: make(chan struct{})}
	s.components = append(s.components, c)
	go func() {
		_ = command.Wait() // its error only repeats the state
		c.state = command.ProcessState
		close(c.exited)
		s.deaths <- c
	}()
	if err := os.WriteFile(s.dir.pidFile(name), []byte(strconv.Itoa(c.pid)+"\n"), 0o644); err != nil {
		return fmt.Errorf("record pid of %s: %w", name, err)
	}
	return nil
}

// await repeats check until it succeeds. It fails when a component dies, when the time is over, or when ctx ends.
func (s *supervisor) await(ctx context.Context, what string, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case dead := <-s.deaths:
			return fmt.Errorf("wait for %s: %w", what, s.obituary(dead))
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return fmt.Errorf("wait for %s: %w", what, cause)
			}
			return fmt.Errorf("wait for %s: not within %s: %w; look into the logs in %s", what, limit, err, s.dir.path("logs"))
		case <-tick.C:
		}
	}
}

func (s *supervisor) obituary(dead *component) error {
	return &componentDied{name: dead.name, log: dead.log, state: dead.state.String(), lastLines: lastLines(dead.log, 15)}
}

// pids returns the process of each component.
func (s *supervisor) pids() map[string]int {
	pids := map[string]int{}
	for _, c := range s.components {
		pids[c.name] = c.pid
	}
	return pids
}

// stop kills the components this supervisor started, the last first, and waits for them to be gone.
func (s *supervisor) stop() {
	for i := len(s.components) - 1; i >= 0; i-- {
		c := s.components[i]
		select {
		case <-c.exited: // reaped: another process may have the pid by now
		default:
			_ = syscall.Kill(c.pid, syscall.SIGKILL)
			<-c.exited
		}
	}
	s.components = nil
	for len(s.deaths) > 0 {
		<-s.deaths
	}
}

// onFreePorts gives start n free ports, and others when a port it chose was taken by another program in between.
func (s *supervisor) onFreePorts(n int, host string, start func(ports []int) error) error {
	for attempt := 1; ; attempt++ {
		ports, err := freePorts(n, host)
		if err != nil {
			return err
		}
		err = start(ports)
		var died *componentDied
		if attempt == 3 || !errors.As(err, &died) || !portWasTaken(died.lastLines) {
			return err
		}
		s.stop()
		if err := s.dir.clear(); err != nil {
			return err
		}
	}
}
