// Launcher starts and stops what Velero's tests run against: an API server with its etcd, a whole Kubernetes node, an S3
// server. See README.md beside this directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
)

const usage = `usage: launcher COMMAND [flags]

  cluster up|down          a whole node: pods run; needs root; one on a machine
  control-plane run|up|down  etcd and kube-apiserver on loopback, any number side by side
  s3 run|up|down           an S3 server
  image load FILE          import a docker-archive into the node
  packages install         install the Debian packages that a node and the tests need
  image build              build a Dockerfile with buildah and import it into the node, or write it to a file

run stays in the foreground, prints one line of JSON when ready, and stops everything when its stdin closes.
Each command takes --help.
`

func init() {
	// A child's parent-death signal fires when the thread that started it ends, so every child is started from the main
	// thread, which lives as long as the program.
	runtime.LockOSThread()
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	err := dispatch(ctx, os.Args[1:])
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.As(err, new(usageError)):
		fmt.Fprintf(os.Stderr, "launcher: %v\n\n%s", err, usage)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "launcher: %v\n", err)
		os.Exit(1)
	}
}

type usageError string

func (e usageError) Error() string { return string(e) }

func dispatch(ctx context.Context, args []string) error {
	if len(args) > 0 && (args[0] == "help" || args[0] == "--help" || args[0] == "-h") {
		_, err := io.WriteString(os.Stdout, usage)
		return err
	}
	if len(args) < 2 {
		return usageError("name what to start or stop")
	}
	command := args[0] + " " + args[1]
	flags := flag.NewFlagSet(command, flag.ContinueOnError)
	switch command {
	case "cluster up", "cluster down":
		dir := flags.String("dir", "run/cluster", "run directory")
		return parsed(flags, args[2:], func() error {
			if args[1] == "down" {
				return nodeDown(*dir)
			}
			return nodeUp(ctx, *dir)
		})
	case "control-plane run", "control-plane up", "control-plane down":
		dir := flags.String("dir", "run/control-plane", "run directory")
		var options controlPlaneOptions
		flags.BoolVar(&options.controllerManager, "controller-manager", false, "run kube-controller-manager too")
		flags.Var((*list)(&options.apiserverFlags), "apiserver-flag", "one more flag of kube-apiserver (repeatable)")
		return parsed(flags, args[2:], func() error {
			return service(ctx, args[1], *dir, func(ctx context.Context, s *supervisor) (any, error) { return startControlPlane(ctx, s, options) })
		})
	case "s3 run", "s3 up", "s3 down":
		dir := flags.String("dir", "run/s3", "run directory")
		options := s3Options{buckets: []string{"velero"}}
		flags.StringVar(&options.host, "host", "127.0.0.1", "address to listen on; "+nodeAddress+" is the one pods reach")
		flags.BoolVar(&options.tls, "tls", false, "serve https with a certificate of its own authority")
		flags.Var(&replacing{list: (*list)(&options.buckets)}, "bucket", "bucket to create (repeatable, default velero)")
		return parsed(flags, args[2:], func() error {
			return service(ctx, args[1], *dir, func(ctx context.Context, s *supervisor) (any, error) { return startS3(ctx, s, options) })
		})
	case "packages install":
		return parsed(flags, args[2:], func() error { return installPackages(ctx, nodePackages) })
	case "image load":
		dir := flags.String("dir", "run/cluster", "run directory of the node")
		if err := flags.Parse(args[2:]); err != nil {
			return err
		}
		if flags.NArg() != 1 {
			return usageError("image load needs one FILE")
		}
		return imageLoad(ctx, *dir, flags.Arg(0))
	case "image build":
		dir := flags.String("dir", "run/cluster", "run directory of the node")
		var build imageBuild
		flags.StringVar(&build.dockerfile, "file", "Dockerfile", "the Dockerfile")
		flags.StringVar(&build.context, "context", ".", "directory the Dockerfile copies from")
		flags.StringVar(&build.tag, "tag", "", "name of the image, as pods write it")
		flags.StringVar(&build.output, "output", "", "write the image to this file, as a docker-archive, and not into a node")
		flags.Var((*list)(&build.args), "build-arg", "NAME=VALUE for the Dockerfile (repeatable)")
		return parsed(flags, args[2:], func() error {
			if build.tag == "" {
				return usageError("image build needs --tag")
			}
			if build.output != "" {
				return build.write(ctx)
			}
			return build.load(ctx, *dir)
		})
	}
	return usageError(fmt.Sprintf("unknown command %q", strings.Join(args, " ")))
}

// parsed runs action after flags were read, refusing stray arguments.
func parsed(flags *flag.FlagSet, args []string, action func() error) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return usageError(fmt.Sprintf("%s takes no argument %q", flags.Name(), flags.Arg(0)))
	}
	return action()
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// replacing is a list that drops its default with the first value given.
type replacing struct {
	*list
	given bool
}

func (r *replacing) Set(value string) error {
	if !r.given {
		*r.list, r.given = nil, true
	}
	return r.list.Set(value)
}

func (r *replacing) String() string { return "" }
