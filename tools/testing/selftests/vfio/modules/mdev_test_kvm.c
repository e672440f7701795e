// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM as far as VFIO sees it, for an emulated s390x, where the kernel's own cannot load:
 * virtual machines that have no processor and no memory, and in each a device that is told
 * of groups, which tells VFIO whose they are. Files and numbers are those of KVM's
 * interface.
 *
 * A machine has a reference of its file's, of each device's, and of each VFIO device that
 * is open for it, which takes it by the names that KVM's functions have. Its folder in
 * debugfs goes with the last one.
 */
#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/kvm.h>
#include <linux/kvm_host.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vfio.h>

struct machine {
	struct kref ref;
	struct dentry *dir;
};

/* One group is enough. */
struct machine_vfio {
	struct machine *machine;
	struct mutex lock;	/* protects group */
	struct file *group;
};

static struct dentry *root;

static struct machine *to_machine(struct kvm *kvm)
{
	return (struct machine *)kvm;
}

static void machine_free(struct kref *ref)
{
	struct machine *machine = container_of(ref, struct machine, ref);

	debugfs_remove(machine->dir);
	kfree(machine);
}

static void machine_put(struct machine *machine)
{
	kref_put(&machine->ref, machine_free);
}

bool kvm_get_kvm_safe(struct kvm *kvm)
{
	return kref_get_unless_zero(&to_machine(kvm)->ref);
}
EXPORT_SYMBOL_GPL(kvm_get_kvm_safe);

void kvm_put_kvm(struct kvm *kvm)
{
	machine_put(to_machine(kvm));
}
EXPORT_SYMBOL_GPL(kvm_put_kvm);

/* The lock is held. */
static void vfio_forget(struct machine_vfio *v)
{
	if (v->group) {
		vfio_file_set_kvm(v->group, NULL);
		fput(v->group);
		v->group = NULL;
	}
}

static int vfio_add(struct machine_vfio *v, struct file *file)
{
	if (v->group)
		return -EEXIST;
	v->group = get_file(file);
	vfio_file_set_kvm(file, (struct kvm *)v->machine);
	return 0;
}

static int vfio_del(struct machine_vfio *v, struct file *file)
{
	if (v->group != file)
		return -ENOENT;
	vfio_forget(v);
	return 0;
}

static int vfio_change(struct machine_vfio *v, u64 attr, struct file *file)
{
	int ret;

	if (!vfio_file_is_valid(file))
		return -EINVAL;
	mutex_lock(&v->lock);
	switch (attr) {
	case KVM_DEV_VFIO_GROUP_ADD:
		ret = vfio_add(v, file);
		break;
	case KVM_DEV_VFIO_GROUP_DEL:
		ret = vfio_del(v, file);
		break;
	default:
		ret = -ENXIO;
	}
	mutex_unlock(&v->lock);
	return ret;
}

static long vfio_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kvm_device_attr attr;
	struct file *group;
	s32 fd;
	long ret;

	if (cmd != KVM_SET_DEVICE_ATTR)
		return -ENOTTY;
	if (copy_from_user(&attr, (void __user *)arg, sizeof(attr)))
		return -EFAULT;
	if (attr.group != KVM_DEV_VFIO_GROUP)
		return -ENXIO;
	if (get_user(fd, (s32 __user *)u64_to_user_ptr(attr.addr)))
		return -EFAULT;
	group = fget(fd);
	if (!group)
		return -EBADF;
	ret = vfio_change(file->private_data, attr.attr, group);
	fput(group);
	return ret;
}

static int vfio_release(struct inode *inode, struct file *file)
{
	struct machine_vfio *v = file->private_data;

	vfio_forget(v);
	machine_put(v->machine);
	kfree(v);
	return 0;
}

static const struct file_operations vfio_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vfio_ioctl,
	.release = vfio_release,
};

static int vfio_create(struct machine *machine)
{
	struct machine_vfio *v = kzalloc(sizeof(*v), GFP_KERNEL);
	int fd;

	if (!v)
		return -ENOMEM;
	mutex_init(&v->lock);
	v->machine = machine;
	kref_get(&machine->ref);
	fd = anon_inode_getfd("kvm-vfio", &vfio_fops, v, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		machine_put(machine);
		kfree(v);
	}
	return fd;
}

static long machine_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kvm_create_device __user *user = (void __user *)arg;
	struct kvm_create_device create;
	int fd;

	if (cmd != KVM_CREATE_DEVICE)
		return -ENOTTY;
	if (copy_from_user(&create, user, sizeof(create)))
		return -EFAULT;
	if (create.type != KVM_DEV_TYPE_VFIO)
		return -ENODEV;
	fd = vfio_create(file->private_data);
	if (fd < 0)
		return fd;
	/* The file is the caller's already. */
	return put_user(fd, &user->fd);
}

static int machine_release(struct inode *inode, struct file *file)
{
	machine_put(file->private_data);
	return 0;
}

static const struct file_operations machine_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = machine_ioctl,
	.release = machine_release,
};

static long kvm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct machine *machine;
	char name[32];
	int fd;

	if (cmd != KVM_CREATE_VM)
		return -ENOTTY;
	machine = kzalloc(sizeof(*machine), GFP_KERNEL);
	if (!machine)
		return -ENOMEM;
	kref_init(&machine->ref);
	/* The file's; that of kref_init() is given back below. */
	kref_get(&machine->ref);
	fd = anon_inode_getfd("kvm-vm", &machine_fops, machine, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		kfree(machine);
		return fd;
	}
	snprintf(name, sizeof(name), "%d-%d", task_pid_nr(current), fd);
	machine->dir = debugfs_create_dir(name, root);
	machine_put(machine);
	return fd;
}

static const struct file_operations kvm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = kvm_ioctl,
};

static struct miscdevice kvm_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm",
	.fops = &kvm_fops,
};

static int __init mdev_test_kvm_init(void)
{
	int ret;

	root = debugfs_create_dir("kvm", NULL);
	ret = misc_register(&kvm_device);
	if (ret)
		debugfs_remove(root);
	return ret;
}

static void __exit mdev_test_kvm_exit(void)
{
	misc_deregister(&kvm_device);
	debugfs_remove(root);
}

module_init(mdev_test_kvm_init);
module_exit(mdev_test_kvm_exit);

MODULE_DESCRIPTION("What VFIO sees of KVM, without KVM");
MODULE_LICENSE("GPL");
