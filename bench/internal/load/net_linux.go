package load

import (
	"os/exec"
	"syscall"
	"time"
	"unsafe"
)

const errAgain = syscall.EAGAIN

// A poller waits for many descriptors at once.
type poller struct {
	fd     int
	events [512]syscall.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return &poller{fd: fd}, err
}

// wait returns how many descriptors are ready.
func (p *poller) wait(limit time.Duration) (int, error) {
	n, err := syscall.EpollWait(p.fd, p.events[:], int((limit+time.Millisecond-1)/time.Millisecond))
	if err == syscall.EINTR {
		return 0, nil
	}
	return n, err
}

func (p *poller) ready(i int) (fd int, readable, writable bool) {
	e := &p.events[i]
	return int(e.Fd), e.Events&^syscall.EPOLLOUT != 0, e.Events&syscall.EPOLLOUT != 0
}

func (p *poller) add(fd int) error {
	return syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, fd,
		&syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
}

// wantWrite also waits until fd takes more.
func (p *poller) wantWrite(fd int, on bool) error {
	e := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	if on {
		e.Events |= syscall.EPOLLOUT
	}
	return syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_MOD, fd, &e)
}

func (p *poller) close() { _ = syscall.Close(p.fd) }

// ipBindAddressNoPort leaves the choice of the port to connect, which knows that only whole pairs must differ.
const ipBindAddressNoPort = 24

// dial connects to 127.0.0.1:port from one of many addresses of the loopback network: one alone runs out of ports
// when thousands of connections are opened and closed each second. It does not wait: what is written before the
// connection stands is refused with errAgain, and an error shows at the first read.
func dial(port, from int) (fd int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	defer func() {
		if err != nil {
			_ = syscall.Close(fd)
		}
	}()
	if err = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPort, 1); err != nil {
		return -1, err
	}
	if err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(1 + from%250)}}); err != nil {
		return -1, err
	}
	if err = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err != nil {
		return -1, err
	}
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err != nil && err != syscall.EINPROGRESS {
		return -1, err
	}
	return fd, nil
}

// readFD and writeFD do not tell the scheduler, which need not know: the descriptors never block.

func readFD(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func writeFD(fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func closeFD(fd int) { _ = syscall.Close(fd) }

// ownCPU is what this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// dieWithParent ends cmd when the thread that starts it does.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
