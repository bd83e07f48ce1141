// Lists, shows and opens a console with gophercloud, with the settings in the environment
// (OS_AUTH_URL and so on).
package main

import (
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud"
	"github.com/gophercloud/gophercloud/openstack"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/extensions/remoteconsoles"
	"github.com/gophercloud/gophercloud/openstack/compute/v2/servers"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	options, err := openstack.AuthOptionsFromEnv()
	check(err)
	provider, err := openstack.AuthenticatedClient(options)
	check(err)
	compute, err := openstack.NewComputeV2(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	check(err)
	pages, err := servers.List(compute, servers.ListOpts{}).AllPages()
	check(err)
	found, err := servers.ExtractServers(pages)
	check(err)
	for _, server := range found {
		fmt.Println("server", server.ID, server.Name, server.Status)
	}
	compute.Microversion = "2.6"
	console, err := remoteconsoles.Create(compute, os.Getenv("SERVER"), remoteconsoles.CreateOpts{
		Protocol: remoteconsoles.ConsoleProtocolVNC, Type: remoteconsoles.ConsoleTypeNoVNC,
	}).Extract()
	check(err)
	fmt.Println(console.URL)
}
