package siowebtransport_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/siowebtransport"
)

// Two servers with one handler, at ports of the same number: one of TCP, one of UDP.
func ExampleServer() {
	io := socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{Transports: []string{"polling", "websocket", "webtransport"}},
	})
	io.OnConnection(func(s *socketio.Socket) { log.Print("connected by ", s.Conn().Transport()) })

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	web := &http.Server{Addr: ":443", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	wt := &siowebtransport.Server{Addr: ":443", Handler: mux}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var running sync.WaitGroup
	for _, listenAndServe := range []func(certFile, keyFile string) error{web.ListenAndServeTLS, wt.ListenAndServeTLS} {
		running.Go(func() {
			if err := listenAndServe("cert.pem", "key.pem"); !errors.Is(err, http.ErrServerClosed) {
				log.Print(err)
				stop()
			}
		})
	}
	<-ctx.Done()

	end, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	io.Shutdown(end) // the sessions first
	wt.Shutdown(end)
	web.Shutdown(end)
	running.Wait()
}

// While a program is being developed, it makes a certificate at each start, and the page is told its hash.
func ExampleNewCertificate() {
	io := socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{Transports: []string{"polling", "websocket", "webtransport"}},
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)

	cert, err := siowebtransport.NewCertificate() // of localhost, for 13 days
	if err != nil {
		log.Fatal(err)
	}
	hash := siowebtransport.CertificateHash(cert)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, page, base64.StdEncoding.EncodeToString(hash[:]))
	})
	wt := &siowebtransport.Server{
		Addr: "localhost:3000", Handler: mux,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
	}
	go wt.ListenAndServe()
	server := &http.Server{Addr: "localhost:3000", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

const page = `<script src="/socket.io/socket.io.js"></script><script>const hash = "%s";</script>`

func ExampleDialer() {
	dialer := &siowebtransport.Dialer{}
	socket, err := client.Dial(context.Background(), "https://example.com", &client.Options{
		Engine: engineio.DialOptions{DialStream: dialer.DialStream}, // polling, then an upgrade to WebTransport
	})
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
}

// A client that begins with WebTransport, and takes WebSocket where UDP does not get through.
func ExampleDialer_DialStream() {
	io := socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{Transports: []string{"websocket", "webtransport"}},
	})
	io.Handle("ask", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack("answer") })
	cert, err := siowebtransport.NewCertificate()
	if err != nil {
		log.Fatal(err)
	}
	wt := &siowebtransport.Server{Handler: io, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go wt.Serve(packets)
	defer wt.Close()
	defer io.Close()
	url, certificateHash := "https://"+packets.LocalAddr().String(), siowebtransport.CertificateHash(cert)

	dialer := &siowebtransport.Dialer{CertificateHashes: [][sha256.Size]byte{certificateHash}}
	socket, err := client.Dial(context.Background(), url, &client.Options{
		Engine: engineio.DialOptions{
			DialStream: dialer.DialStream,
			Transports: []string{"webtransport", "websocket"}, TryAllTransports: true,
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	answer, err := socket.EmitWithAck(context.Background(), "ask")
	if err != nil {
		log.Fatal(err)
	}
	var text string
	if err := answer.Bind(&text); err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output: answer
}
