// Decodes nodes with Kubernetes' own generated types: lines of hexadecimal digits become lines of JSON.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
)

type decoded struct {
	Node                            corev1.Node
	MilliCPU, Memory, Storage, Pods int64
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		bytes, err := hex.DecodeString(lines.Text())
		if err != nil {
			log.Fatal(err)
		}
		var node corev1.Node
		if err := node.Unmarshal(bytes); err != nil {
			log.Fatal(err)
		}
		left := node.Status.Allocatable
		answer := decoded{node, left.Cpu().MilliValue(), left.Memory().Value(), left.StorageEphemeral().Value(), left.Pods().Value()}
		if err := json.NewEncoder(os.Stdout).Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
}
