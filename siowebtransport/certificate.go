package siowebtransport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificateDays is for how long browsers take a certificate by its hash at most (W3C WebTransport,
// serverCertificateHashes: two weeks), less one for clocks that differ.
const certificateDays = 13

// NewCertificate makes a certificate that nobody has signed, for development: browsers take it if the page has its hash
// ([CertificateHash]), as long as it is valid, which is 13 days. Its key is of the only kind that Chromium takes then,
// ECDSA with P-256. The hosts are names and addresses; default "localhost", 127.0.0.1 and ::1.
func NewCertificate(hosts ...string) (tls.Certificate, error) {
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("siowebtransport: certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("siowebtransport: certificate: %w", err)
	}
	from := time.Now().Add(-time.Hour)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: from, NotAfter: from.AddDate(0, 0, certificateDays),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("siowebtransport: certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("siowebtransport: certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// CertificateHash is the SHA-256 hash of a certificate, as [Dialer] and a page's serverCertificateHashes take it.
func CertificateHash(c tls.Certificate) [sha256.Size]byte { return sha256.Sum256(c.Certificate[0]) }
