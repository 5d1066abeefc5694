// go-http-auth before a page: go_http_auth_server PORT USERS REALM LOG
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"

	auth "github.com/abbot/go-http-auth"
)

func main() {
	port, users, realm, path := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	record, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	digest := auth.NewDigestAuthenticator(realm, auth.HtdigestFileProvider(users))
	// It locks its nonces where it checks them and not where it makes them, and dies of that in a crowd.
	var lock sync.Mutex
	let_in := func(w http.ResponseWriter, r *http.Request) (string, *string) {
		lock.Lock()
		defer lock.Unlock()
		user, info := digest.CheckAuth(r)
		if user == "" {
			digest.RequireAuth(w, r)
		}
		return user, info
	}
	page := func(w http.ResponseWriter, r *http.Request) {
		port := r.RemoteAddr[strings.LastIndex(r.RemoteAddr, ":")+1:]
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if scheme == "" {
			scheme = "-"
		}
		w.Header().Set("X-Peer-Port", port)
		status := http.StatusUnauthorized
		if user, info := let_in(w, r); user != "" {
			status = http.StatusOK
			w.Header().Set("Authentication-Info", *info)
			w.Header().Set("X-Remote-User", user)
			io.WriteString(w, "hello from "+r.URL.Path+"\n")
		}
		fmt.Fprintf(record, "port=%s %s %s %d login=%s\n", port, r.Method, r.RequestURI, status, scheme)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(page)))
}
