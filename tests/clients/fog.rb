# Lists, shows and opens consoles with fog-openstack, with the settings in the environment
# (OS_AUTH_URL and so on).
require 'fog/openstack'

url, name, secret, project, server = ENV.values_at('OS_AUTH_URL', 'OS_USERNAME', 'OS_PASSWORD', 'OS_PROJECT_NAME', 'SERVER')
compute = Fog::OpenStack::Compute.new(
  openstack_auth_url: url, openstack_username: name, openstack_api_key: secret, openstack_project_name: project,
  openstack_domain_id: 'default'
)
compute.servers.each { |found| puts "server #{found.id} #{found.name} #{found.state}" }
puts "shown #{compute.servers.get(server).name}"
%w[novnc xvpvnc].each { |type| puts compute.get_vnc_console(server, type).body['console']['url'] }
puts compute.remote_consoles(server, 'vnc', 'novnc').body['remote_console']['url']
