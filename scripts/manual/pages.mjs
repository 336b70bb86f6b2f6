// What the manual pages say beside what --help says. Outputs are those of a real run; lines that begin with # are typed.

/** When what follows was last looked through. */
export const DATE = "December 1, 2026";

/** Pages of the groups of commands, each with what it is about, details of its commands, and examples. */
export const groups = {
  network: {
    about: `
A container with the driver
.Cm ipnet
has no network stack of its own.
Its sockets are the host's, confined to addresses of its own: aliases on the
interface of each network that it is in.
Networks are apart from each other, but for published ports.
Translation, isolation and published ports are rules of
.Xr pf 4
on
.Fx ,
and of nftables on Linux.`,
    details: {
      create: `
The interface is made by klee and removed with the network; an interface that
exists is used only by the type
.Cm custom ,
and only the containers' addresses are added to it and removed.
The network may not overlap one that the host is in, but for the type
.Cm custom .`,
      rm: "A network that a container is in, running or not, is not removed.",
      connect: `
A container sends from the first of its addresses, whatever networks it was
connected to since.`,
      graph: `
The same state gives the same picture.
.Cm dot
is the language of
.Xr dot 1 ;
.Cm svg
is an image.`,
    },
    examples: [
      [
        "A network, a container in it, and the picture of both:",
        `# klee network create --subnet 10.2.3.0/24 testnet
a03b0f0ae2b3
# klee run -d -n testnet -p 8080:80 --name web base nc -lk 80
f265209b3915
created execution instance 88610b250c5b
# klee network graph
testnet  10.2.3.0/24  kleene0: loopback, NAT on em0
└── web  10.2.3.1  running
    └── em0:8080 -> 80/tcp`,
      ],
    ],
    see: ["klee 8", "klee-container 8"],
    foreign: { freebsd: ["ifconfig 8", "pf 4", "pfctl 8"], linux: ["ip 8", "nft 8"] },
  },
  container: {
    about: `
A container is a root file system made from an image, a place in networks, and
the processes that run there: a
.Xr jail 8
on
.Fx ,
namespaces and a control group on Linux.
It runs while any process of its own lives.
No daemon is needed: what a container was started with is kept by a supervisor
of its own.`,
    details: {
      run: `
klee passes signals on to the command.
With
.Fl d
the output goes to the container's log.`,
      stop: `
The jail parameter
.Va exec.stop
is run in the container, then its processes get
.Dv SIGTERM ,
and
.Dv SIGKILL
after ten seconds.`,
      exec: `
A command that has ended with its container's other processes ends the
container.`,
      rm: "A container's files are removed with it.",
    },
    examples: [
      [
        "A service with at most 64 MiB of memory, that starts with the host and whenever it has ended:",
        `# klee run -d -n testnet -p 8080:80 --name web --restart always \\
    --memory 64m base nc -lk 80
f265209b3915
created execution instance 88610b250c5b
# klee container port web
80/tcp -> em0:8080
# klee container update --memory 128m web
f265209b3915`,
      ],
      [
        "The exit status of a command in it:",
        `# klee exec web sh -c "exit 3"
created execution instance 325787987a3a

325787987a3a has exited with exit-code 3
# klee stop web
f265209b3915`,
      ],
    ],
    see: ["klee 8", "klee-image 8", "klee-network 8"],
    foreign: { freebsd: ["jail 8", "rctl 8"], linux: ["cgroups 7", "namespaces 7"] },
  },
  image: {
    about: `
An image is a root file system and the command, user and environment that
containers made from it have unless told otherwise.
Where the store is on ZFS a container is a clone of its image's dataset; on
Linux it is an overlay; else it is a copy.`,
    details: {
      create: `
Modes, owners, times, hard links and extended attributes are kept.
What an image does not have is said in one line for each kind: device nodes,
sockets and FIFOs among them.
Of what
.Cm fetch
gets, the SHA-256 must be the one in the MANIFEST beside it.`,
      rm: "An image that a container was made from is not removed.",
    },
    examples: [
      [
        "An image of an unpacked base system, and another name for it:",
        `# klee image create dir /var/tmp/rootfs -t base
d685e915a781
# klee image tag base base:14.2
d685e915a781
# klee image ls
 ID             NAME   TAG    CREATED
───────────────────────────────────────────
 d685e915a781   base   14.2   1 second ago
# klee rmi base:14.2
d685e915a781`,
      ],
    ],
    see: ["klee 8", "klee-container 8"],
    foreign: { freebsd: ["tar 1", "zfs 8"], linux: ["tar 1"] },
  },
  volume: {
    about: `
A volume is a directory of klee's that outlives the containers it is mounted
in: a dataset where the store is on ZFS.
A mount whose source is no path names one, and makes it where there is none.
The first container that has it mounted fills it with what its image has in
that place, unless the image is the running system.`,
    details: {
      rm: "A volume that a container has, running or not, is not removed.",
    },
    examples: [
      [
        "What one container writes, the next one reads:",
        `# klee run --rm -m notes:/notes base sh -c 'echo kept >/notes/file'
# klee run --rm -m notes:/notes:ro base cat /notes/file
kept
# klee volume rm notes
notes`,
      ],
    ],
    see: ["klee 8", "klee-container 8"],
    foreign: { freebsd: ["mount_nullfs 8", "zfs 8"], linux: ["mount 8"] },
  },
  system: {
    about: `
The store holds what should be, and the kernel follows it.
A klee that was killed, or a boot, leaves the two apart: the next command that
changes anything repairs that first, and so do the commands here.`,
    details: {
      reconcile: `
It is run after a boot, by
.Pa rc.d/klee
or
.Pa klee.service ,
and starts the containers that were made with
.Fl -restart Cm on-startup
or
.Cm always .`,
      cleanup: "The store's directory itself is left.",
    },
    examples: [
      [
        "What happened in the last minute:",
        `# klee events --no-follow --since 1m
2026-12-01T00:48:17.885Z image create d685e915a781 base:latest
2026-12-01T00:48:18.102Z network create a03b0f0ae2b3 testnet
2026-12-01T00:48:18.286Z container create f265209b3915 web`,
      ],
    ],
    see: ["klee 8"],
    foreign: { freebsd: ["rc 8", "rc.conf 5"], linux: ["systemd.service 5"] },
  },
};

export const main = {
  about: `
.Nm
runs programs in containers that share the host's network stack and are
confined to addresses of their own.
There is no daemon, and no other program is called: the kernel itself is.
.Fx
14 and 15 are the target; Linux 5.18 or later has the same commands.
.Nm
needs root.`,
  examples: [
    [
      "An image, a network, a container on it that answers at port 8080 of the host:",
      `# klee image create dir /var/tmp/rootfs -t base
d685e915a781
# klee network create --subnet 10.2.3.0/24 testnet
a03b0f0ae2b3
# klee run -d -n testnet -p 8080:80 --name web base nc -lk 80
f265209b3915
created execution instance 88610b250c5b
# klee lsc -q
f265209b3915
# klee container port web
80/tcp -> em0:8080`,
    ],
    [
      "To take all of it away:",
      `# klee system cleanup -f
container f265209b3915
network a03b0f0ae2b3
image d685e915a781`,
    ],
  ],
  foreign: { freebsd: ["jail 8", "pf.conf 5", "rc.conf 5"], linux: ["nft 8"] },
};

export const environment = `.Bl -tag -width KLEE_TRACE
.It Ev KLEE_ROOT
Directory of the store, absolute, as
.Fl -root .
.It Ev KLEE_ZFS
.Fx :
dataset to make images and containers in.
Empty: directories, even where the store is on ZFS.
.It Ev KLEE_TRACE
If set to 1, every kernel call is printed on standard error, as
.Fl -trace .
.It Ev KLEE_DEBUG
If set to 1, a failure is printed with its causes and where they arose.
.El`;

export const files = `.Bl -tag -width Ds
.It Pa /var/db/klee , Pa /var/lib/klee
The store on
.Fx
and on Linux, readable by root alone:
.Bl -tag -width containers/ -compact
.It Pa klee.sqlite
what should be: networks, containers, images
.It Pa images/ , Pa containers/ , Pa volumes/
root file systems, where they are no datasets
.It Pa logs/
output of containers that no klee showed
.It Pa runs/ , Pa consoles/
how the last run of each container goes, and the way to its terminal
.It Pa locks/
who is changing what
.It Pa reserve
room to work with where the file system has none left
.El
.It Pa /usr/local/etc/rc.d/klee
Script of
.Xr rc 8
that runs
.Ic klee system reconcile
after a boot; it is enabled by
.Va klee_enable
in
.Xr rc.conf 5 .
.It Pa /etc/systemd/system/klee.service
The same for systemd on Linux.
.It Pa /etc/pf.conf
On
.Fx
it calls klee's anchors:
.Bd -literal -compact
nat-anchor "klee"
rdr-anchor "klee"
anchor "klee"
.Ed
.El`;

export const ownStatus = `The
.Nm
utility exits with 0 on success, 1 if an error occurred, and 2 if the command
line is wrong.`;

export const payloadStatus = `.Cm run ,
.Cm exec ,
.Cm attach
and
.Cm start
without
.Fl d
exit with the status of the command in the container, 128 + N if signal N
ended it.
A command that cannot be executed makes it 126, one that is not there 127.
Of any other failure, a wrong command line too,
.Cm run
and
.Cm exec
make 125, for no command should exit with it;
.Cm start
and
.Cm attach
exit then as all the others do.`;
