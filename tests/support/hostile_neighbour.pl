# What a hostile neighbour does in its sandbox, for ever: takes one kind of thing until it is refused, says "bit" the
# first time that it was, gives it back and starts anew. Nothing here is reached from outside of a sandbox.
# usage: perl hostile_neighbour.pl processes|memory|disk|inodes|descriptors|inotify|output
use strict;
use warnings;
use Errno qw(EMFILE ENFILE ENOSPC EDQUOT);

$| = 1;
my $kind = shift // die 'which kind?';
my $bitten = 0;

sub bit {
  print "bit\n" unless $bitten++;
}

my %takes = (
  # Every child goes on forking as well. The refusal is EAGAIN; only the first process tells of it.
  processes => sub {
    my $first = $$;
    while (1) {
      my $pid = fork;
      bit() if !defined $pid && $$ == $first;
    }
  },
  memory => sub {
    my $pid = fork // die "fork: $!";
    if (!$pid) {
      my @all;
      push @all, 'x' x (1 << 20) while 1;
    }
    waitpid $pid, 0;
    bit() if $? == 9;
  },
  disk => sub {
    open my $file, '>', "$ENV{HOME}/filler" or die "open: $!";
    my $piece = 'x' x (1 << 20);
    1 while syswrite $file, $piece;
    die "write: $!" unless $! == ENOSPC || $! == EDQUOT;
    bit();
    close $file;
    unlink "$ENV{HOME}/filler";
  },
  inodes => sub {
    mkdir "$ENV{HOME}/many";
    my $count = 0;
    while (open my $file, '>', "$ENV{HOME}/many/$count") { ++$count }
    die "create: $!" unless $! == ENOSPC || $! == EDQUOT;
    bit();
    unlink map { "$ENV{HOME}/many/$_" } 0 .. $count - 1;
  },
  descriptors => sub {
    my @all;
    while (open my $file, '<', '/dev/null') { push @all, $file }
    die "open: $!" unless $! == EMFILE || $! == ENFILE;
    bit();
  },
  # inotify_init1 by its number on x86-64.
  inotify => sub {
    my @all;
    while ((my $fd = syscall 294, 0) >= 0) { open push(@all, undef) && $all[-1], '<&=', $fd or die "fdopen: $!" }
    die "inotify_init1: $!" unless $! == EMFILE || $! == ENFILE;
    bit();
  },
  # Nothing refuses it: what is not kept is counted.
  output => sub {
    bit();
    syswrite STDOUT, 'y' x 65536 while 1;
  },
);
my $take = $takes{$kind} // die "no kind $kind";
$take->() while 1;
