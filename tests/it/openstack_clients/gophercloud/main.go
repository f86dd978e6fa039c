// Calls the simulator as gophercloud's users do, with what AuthOptionsFromEnv makes of the environment, and prints one
// line for each call.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/certificates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clustertemplates"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/nodegroups"
	"github.com/gophercloud/gophercloud/v2/openstack/orchestration/v1/stackevents"
	"github.com/gophercloud/gophercloud/v2/openstack/orchestration/v1/stackresources"
	"github.com/gophercloud/gophercloud/v2/openstack/orchestration/v1/stacks"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

func check(what string, err error) {
	if err != nil {
		fmt.Printf("%s: %v\n", what, err)
		os.Exit(1)
	}
}

func show(values ...any) {
	fmt.Println(values...)
}

func main() {
	ctx := context.Background()
	auth, err := openstack.AuthOptionsFromEnv()
	check("AuthOptionsFromEnv", err)
	provider, err := openstack.AuthenticatedClient(ctx, auth)
	check("login", err)
	region := gophercloud.EndpointOpts{Region: os.Getenv("OS_REGION_NAME")}
	magnum, err := openstack.NewContainerInfraV1(provider, region)
	check("Magnum's endpoint", err)
	magnum.Microversion = "1.10"
	heat, err := openstack.NewOrchestrationV1(provider, region)
	check("Heat's endpoint", err)
	nova, err := openstack.NewComputeV2(provider, region)
	check("Nova's endpoint", err)
	readMagnum(ctx, magnum)
	changeGroups(ctx, magnum)
	readHeat(ctx, magnum, heat)
	readNova(ctx, nova)
}

func readMagnum(ctx context.Context, magnum *gophercloud.ServiceClient) {
	page, err := clusters.List(magnum, nil).AllPages(ctx)
	check("clusters.List", err)
	list, err := clusters.ExtractClusters(page)
	check("clusters.List", err)
	show("clusters.List", list[0].Name, list[0].NodeCount)
	page, err = clusters.ListDetail(magnum, nil).AllPages(ctx)
	check("clusters.ListDetail", err)
	list, err = clusters.ExtractClusters(page)
	check("clusters.ListDetail", err)
	show("clusters.ListDetail", list[0].Name, list[0].COEVersion)
	cluster, err := clusters.Get(ctx, magnum, list[0].UUID).Extract()
	check("clusters.Get", err)
	show("clusters.Get", cluster.Status)
	page, err = clustertemplates.List(magnum, nil).AllPages(ctx)
	check("clustertemplates.List", err)
	templates, err := clustertemplates.ExtractClusterTemplates(page)
	check("clustertemplates.List", err)
	show("clustertemplates.List", templates[0].Name)
	certificate, err := certificates.Get(ctx, magnum, cluster.UUID).Extract()
	check("certificates.Get", err)
	show("certificates.Get", len(certificate.PEM) > 0)
}

func changeGroups(ctx context.Context, magnum *gophercloud.ServiceClient) {
	page, err := nodegroups.List(magnum, "k8s", nodegroups.ListOpts{Role: "worker"}).AllPages(ctx)
	check("nodegroups.List", err)
	groups, err := nodegroups.ExtractNodeGroups(page)
	check("nodegroups.List", err)
	show("nodegroups.List", groups[0].Name, groups[1].Name)
	count, most := 1, 3
	merge := true
	made, err := nodegroups.Create(ctx, magnum, "k8s", nodegroups.CreateOpts{
		Name: "pool-gpu", Role: "gpu", NodeCount: &count, MaxNodeCount: &most,
		Labels: map[string]string{"a": "b"}, MergeLabels: &merge,
	}).Extract()
	check("nodegroups.Create", err)
	show("nodegroups.Create", made.Role, made.Labels["a"], made.Labels["kube_tag"])
	changed, err := nodegroups.Update(ctx, magnum, "k8s", "pool-b", []nodegroups.UpdateOptsBuilder{
		nodegroups.UpdateOpts{Op: nodegroups.ReplaceOp, Path: "/max_node_count", Value: 7},
	}).Extract()
	check("nodegroups.Update", err)
	show("nodegroups.Update", *changed.MaxNodeCount)
	check("nodegroups.Delete", nodegroups.Delete(ctx, magnum, "k8s", "pool-gpu").ExtractErr())
	show("nodegroups.Delete")
	_, err = clusters.Resize(ctx, magnum, "k8s", clusters.ResizeOpts{NodeCount: &most}).Extract()
	check("clusters.Resize", err)
	show("clusters.Resize")
	_, err = clusters.Update(ctx, magnum, "k8s", []clusters.UpdateOptsBuilder{
		clusters.UpdateOpts{Op: clusters.ReplaceOp, Path: "/node_count", Value: 3},
	}).Extract()
	check("clusters.Update", err)
	show("clusters.Update")
}

func readHeat(ctx context.Context, magnum, heat *gophercloud.ServiceClient) {
	group, err := nodegroups.Get(ctx, magnum, "k8s", "default-worker").Extract()
	check("nodegroups.Get", err)
	found, err := stacks.Find(ctx, heat, group.StackID).Extract()
	check("stacks.Find", err)
	show("stacks.Find", found.ID == group.StackID)
	stack, err := stacks.Get(ctx, heat, found.Name, found.ID).Extract()
	check("stacks.Get", err)
	show("stacks.Get", stack.Parameters["is_cluster_stack"])
	resources, err := stackresources.Find(ctx, heat, found.Name).Extract()
	check("stackresources.Find", err)
	show("stackresources.Find", resources[0].Name)
	page, err := stackresources.List(heat, found.Name, found.ID, stackresources.ListOpts{Depth: 3}).AllPages(ctx)
	check("stackresources.List", err)
	resources, err = stackresources.ExtractResources(page)
	check("stackresources.List", err)
	show("stackresources.List", len(resources) > 10)
	resource, err := stackresources.Get(ctx, heat, found.Name, found.ID, "kube_minions").Extract()
	check("stackresources.Get", err)
	show("stackresources.Get", resource.Type)
	events, err := stackevents.Find(ctx, heat, found.Name).Extract()
	check("stackevents.Find", err)
	show("stackevents.Find", len(events) > 0)
	page, err = stackevents.List(heat, found.Name, found.ID, nil).AllPages(ctx)
	check("stackevents.List", err)
	events, err = stackevents.ExtractEvents(page)
	check("stackevents.List", err)
	show("stackevents.List", len(events) > 0)
	// Heat answers 404 behind the last page of a resource's events.
	pager := stackevents.ListResourceEvents(heat, found.Name, found.ID, "kube_minions", nil)
	err = pager.EachPage(ctx, func(_ context.Context, page pagination.Page) (bool, error) {
		events, err = stackevents.ExtractResourceEvents(page)
		return false, err
	})
	check("stackevents.ListResourceEvents", err)
	show("stackevents.ListResourceEvents", len(events) > 0)
	event, err := stackevents.Get(ctx, heat, found.Name, found.ID, "kube_minions", events[0].ID).Extract()
	check("stackevents.Get", err)
	show("stackevents.Get", event.LogicalResourceID)
}

func readNova(ctx context.Context, nova *gophercloud.ServiceClient) {
	page, err := servers.List(nova, nil).AllPages(ctx)
	check("servers.List", err)
	list, err := servers.ExtractServers(page)
	check("servers.List", err)
	show("servers.List", len(list) > 1)
	server, err := servers.Get(ctx, nova, list[0].ID).Extract()
	check("servers.Get", err)
	show("servers.Get", server.Name == list[0].Name)
	page, err = flavors.ListDetail(nova, nil).AllPages(ctx)
	check("flavors.ListDetail", err)
	all, err := flavors.ExtractFlavors(page)
	check("flavors.ListDetail", err)
	show("flavors.ListDetail", len(all))
}
