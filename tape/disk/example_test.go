package disk_test

import (
	"fmt"
	"os"

	"github.com/enstore-go/sdk/tape/disk"
)

// A file whose name was never synced is gone after a power cut, whatever was synced of it.
func ExampleForgetful() {
	f := disk.NewForgetful()
	for _, name := range []string{"/kept", "/lost"} {
		h, _ := f.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		h.Write([]byte("content"))
		h.Sync()
		h.Close()
		if name == "/kept" {
			f.SyncDir("/")
		}
	}
	left := f.Crash(nil) // nothing unsynced is kept; a *rand.Rand would choose
	list, _ := left.ReadDir("/")
	for _, e := range list {
		data, err := disk.ReadFile(left, "/"+e.Name(), 100)
		fmt.Println(e.Name(), string(data), err)
	}
	// Output: kept content <nil>
}

// Cut the power after each change that a piece of work makes, and look at what is left.
func ExampleForgetful_StopAfter() {
	for k := int64(0); ; k++ {
		f := disk.NewForgetful()
		disk.WriteFileAtomic(f, "/state", []byte("1"), 0o666)
		f.StopAfter(k)
		err := disk.WriteFileAtomic(f, "/state", []byte("2"), 0o666)
		data, _ := disk.ReadFile(f.Crash(nil), "/state", 10)
		if err == nil {
			fmt.Printf("after %d changes: %s, for certain\n", k, data)
			return
		}
		if string(data) != "1" {
			fmt.Println("not synced, and not the old state:", string(data))
		}
	}
	// Output: after 6 changes: 2, for certain
}
