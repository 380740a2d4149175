package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Server is a process that answers at an address.
type Server struct {
	*Process
	Addr    string
	Control string // where a Self says how often its origin ran; "" at others
	stop    func() error
}

// Stop ends the server and removes its files.
func (s *Server) Stop() error { return s.stop() }

// Hello is the line that a Self says first.
type Hello struct {
	Addr    string `json:"addr"`
	Control string `json:"control"`
}

// Self runs this program again with other arguments, and waits for its Hello.
func Self(ctx context.Context, args ...string) (*Server, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("proc: %w", err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("proc: %w", err)
	}
	command := exec.CommandContext(ctx, path, args...)
	command.Stdout = writer
	p, err := start(ctx, command)
	_ = writer.Close() // the child has its own
	if err != nil {
		_ = reader.Close()
		return nil, err
	}
	_ = reader.SetReadDeadline(time.Now().Add(startWait)) // where a pipe has none, the child says something or ends
	var hello Hello
	said := bufio.NewReader(reader)
	line, err := said.ReadBytes('\n')
	_ = reader.SetReadDeadline(time.Time{})
	go func() { // some library in the child may write there as well, and would be killed if nobody read
		_, _ = io.Copy(io.Discard, said)
		_ = reader.Close()
	}()
	if err == nil {
		err = json.Unmarshal(line, &hello)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("proc: %v says %q: %w", args, line, err), p.Stop(), errors.New(p.log.String()))
	}
	return &Server{Process: p, Addr: hello.Addr, Control: hello.Control, stop: p.Stop}, nil
}

// Redis runs a redis-server, or a valkey-server, that keeps nothing on disk. REDIS_SERVER in the environment names
// another one.
func Redis(ctx context.Context) (*Server, error) {
	programs := []string{"redis-server", "valkey-server"}
	if name := os.Getenv("REDIS_SERVER"); name != "" {
		programs = []string{name}
	}
	return inDirectory(func(dir string) (*Process, string, error) {
		var p *Process
		var addr string
		var err error
		for _, program := range programs {
			p, addr, err = onFreePort(ctx, program, func(port int) []string {
				return []string{
					"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no",
					"--maxmemory", "256mb", "--maxmemory-policy", "noeviction", "--daemonize", "no", "--loglevel", "warning",
				}
			})
			if !errors.Is(err, ErrNotHere) {
				break
			}
		}
		return p, addr, err
	})
}

// Varnish runs a varnishd in front of an origin, which keeps everything for an hour.
func Varnish(ctx context.Context, origin string) (*Server, error) {
	return inDirectory(func(dir string) (*Process, string, error) {
		host, port, err := split(origin)
		if err != nil {
			return nil, "", err
		}
		vcl := filepath.Join(dir, "bench.vcl")
		text := fmt.Sprintf("vcl 4.1;\nbackend default { .host = %q; .port = %q; }\n"+
			"sub vcl_backend_response { set beresp.ttl = 1h; set beresp.http.Vary = \"Accept-Language\"; }\n", host, port)
		if err := os.WriteFile(vcl, []byte(text), 0o600); err != nil {
			return nil, "", fmt.Errorf("proc: %w", err)
		}
		return onFreePort(ctx, "varnishd", func(port int) []string {
			return []string{
				"-F", "-j", "none", "-n", filepath.Join(dir, "work"), "-a", fmt.Sprintf("127.0.0.1:%d", port),
				"-T", "none", "-s", "malloc,64m", "-f", vcl,
			}
		})
	})
}

// nginxConf has no tcp_nopush: with it, an answer of 64 KiB waits 40 ms for an acknowledgement on loopback.
const nginxConf = `daemon off;
pid %[1]s/pid;
error_log stderr crit;
worker_processes auto;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path %[1]s/body;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  proxy_temp_path %[1]s/proxy;
  proxy_cache_path %[1]s/cache keys_zone=bench:8m;
  server {
    listen 127.0.0.1:%[2]d;
    location / {
      proxy_pass http://%[3]s;
      proxy_http_version 1.1;
      proxy_cache bench;
      proxy_cache_key $host$request_uri$http_accept_language;
      proxy_cache_valid 200 1h;
      proxy_cache_lock on;
    }
  }
}
`

// Nginx runs an nginx in front of an origin, which keeps everything for an hour.
func Nginx(ctx context.Context, origin string) (*Server, error) {
	return inDirectory(func(dir string) (*Process, string, error) {
		return onFreePort(ctx, "nginx", func(port int) []string {
			conf := filepath.Join(dir, "nginx.conf")
			// If it cannot be written, nginx says so.
			_ = os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, port, origin), 0o600)
			return []string{"-c", conf, "-p", dir, "-e", "stderr"}
		})
	})
}

func inDirectory(run func(dir string) (*Process, string, error)) (*Server, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, fmt.Errorf("proc: %w", err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers may be another user
		return nil, errors.Join(fmt.Errorf("proc: %w", err), os.RemoveAll(dir))
	}
	p, addr, err := run(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Server{Process: p, Addr: addr, stop: removing(p, dir)}, nil
}
