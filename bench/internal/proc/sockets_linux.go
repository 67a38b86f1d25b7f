package proc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// The parts of linux/inet_diag.h and linux/sock_diag.h that package syscall lacks.
const (
	netlinkSockDiag    = 4
	sockDiagByFamily   = 20
	inetDiagSkmeminfo  = 7
	diagRequestSize    = 56 // inet_diag_req_v2
	diagAnswerSize     = 72 // inet_diag_msg
	allTCPStates       = 0xfff
	rmemAlloc          = 0 // indexes into the figures of INET_DIAG_SKMEMINFO
	forwardAlloc       = 4
	wmemQueued         = 5
	backlogOfSkmeminfo = 7
)

// SocketMemory is what the kernel holds in its buffers for this machine's TCP sockets at a local port, in bytes, and
// how many sockets that are.
func SocketMemory(port int) (bytes int64, sockets int, err error) {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return 0, 0, os.NewSyscallError("socket", err)
	}
	defer syscall.Close(fd)
	for _, family := range []byte{syscall.AF_INET, syscall.AF_INET6} {
		if err := askDiag(fd, family); err != nil {
			return 0, 0, err
		}
		if err := readDiag(fd, func(message []byte) {
			if int(binary.BigEndian.Uint16(message[4:])) == port {
				bytes += memoryOf(message[diagAnswerSize:])
				sockets++
			}
		}); err != nil {
			return 0, 0, err
		}
	}
	return bytes, sockets, nil
}

func askDiag(fd int, family byte) error {
	request := make([]byte, syscall.NLMSG_HDRLEN+diagRequestSize)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(request[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	body := request[syscall.NLMSG_HDRLEN:]
	body[0], body[1], body[2] = family, syscall.IPPROTO_TCP, 1<<(inetDiagSkmeminfo-1)
	binary.NativeEndian.PutUint32(body[4:], allTCPStates)
	return os.NewSyscallError("sendto", syscall.Sendto(fd, request,
		0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}))
}

// readDiag calls each with every answer to a request.
func readDiag(fd int, each func(message []byte)) error {
	buf := make([]byte, 64<<10)
	for {
		n, _, err := syscall.Recvfrom(fd, buf, 0)
		if err != nil {
			return os.NewSyscallError("recvfrom", err)
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		for _, m := range messages {
			switch m.Header.Type {
			case syscall.NLMSG_DONE:
				return nil
			case syscall.NLMSG_ERROR:
				return errors.New("netlink: the kernel tells nothing of its sockets")
			case sockDiagByFamily:
				if len(m.Data) >= diagAnswerSize {
					each(m.Data)
				}
			}
		}
	}
}

// memoryOf adds up what is allocated of one socket: received, queued to be sent, in reserve, and the backlog.
func memoryOf(attributes []byte) (sum int64) {
	for len(attributes) >= syscall.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(attributes))
		kind := binary.NativeEndian.Uint16(attributes[2:])
		if size < syscall.SizeofRtAttr || size > len(attributes) {
			break
		}
		if figures := attributes[syscall.SizeofRtAttr:size]; kind == inetDiagSkmeminfo {
			for _, i := range []int{rmemAlloc, forwardAlloc, wmemQueued, backlogOfSkmeminfo} {
				if at := i * 4; at+4 <= len(figures) {
					// the reserve may be below zero for a moment
					sum += int64(int32(binary.NativeEndian.Uint32(figures[at:])))
				}
			}
		}
		attributes = attributes[min((size+3)&^3, len(attributes)):]
	}
	return sum
}
